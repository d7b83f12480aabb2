"""One interval, from its batch to a committed result."""
