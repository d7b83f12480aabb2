"""A detector evaluated under attack and under drift, from settings to tables on disk."""
