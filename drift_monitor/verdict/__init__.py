"""From findings to the verdict, the next action and the report."""
