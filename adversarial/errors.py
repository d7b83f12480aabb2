"""Errors that a user can mend; the message names the file, row or field and the remedy."""


class DriftMonitorError(Exception):
    """Root of the errors that this project raises on purpose."""


class ModelError(DriftMonitorError, ValueError):
    """A model, or the data handed to it, is not of the form that the method needs."""
