"""Worker processes: one framework per process."""
