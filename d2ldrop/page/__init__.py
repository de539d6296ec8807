"""``report.html``: what to look at, made from a run folder."""
