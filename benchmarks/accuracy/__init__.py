"""Accuracy estimated without labels, against other estimators."""
