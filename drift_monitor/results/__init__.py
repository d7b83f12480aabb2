"""Committed intervals where they are kept."""
