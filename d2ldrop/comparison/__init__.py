"""Several training runs side by side: the plan, the lockstep checks, the table and the curves."""
