"""Pages and comparisons of evaluations, made from their tables alone."""
