"""Committed intervals: their files, and what is in them."""
