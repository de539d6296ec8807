"""One training run: its loop, its results and its folder."""
