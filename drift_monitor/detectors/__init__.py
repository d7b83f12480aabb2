"""Detector bundles made, evaluated and replaced."""
