"""Making, evaluating and replacing detector bundles."""
