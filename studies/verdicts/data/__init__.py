"""Labelled rows for the study's classifiers: images, synthetic tables, and published tables."""
