"""Scoring images, against alibi-detect."""
