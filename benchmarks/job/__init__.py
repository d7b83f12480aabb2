"""The whole batch job, against the scoring loop alone."""
