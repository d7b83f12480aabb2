"""Errors of the batch job; `adversarial.errors.DriftMonitorError` is their root."""

from adversarial.errors import DriftMonitorError, TransientError


class ConfigError(DriftMonitorError):
    """A monitor's YAML file is missing, malformed or contradicts the bundle."""


class BatchError(DriftMonitorError):
    """A production batch is missing, empty, unreadable or not in the declared format."""


class NotReadyError(BatchError, TransientError):
    """A file is not there yet, not whole yet, may not be read yet, or is still being written."""


class MissingBatchError(NotReadyError):
    """There is no file for the interval, perhaps not yet."""


class ChangedBatchError(NotReadyError):
    """A file was replaced or written to while it was read."""


class StorageError(BatchError, TransientError):
    """The storage cannot be reached, answers with an error of its own, or cuts its answer short."""


class StoreError(DriftMonitorError):
    """A committed interval is missing or cannot be read."""


class EvaluationError(DriftMonitorError):
    """An evaluation cannot be run as configured, or one on disk is damaged or of something else."""


class PromotionError(DriftMonitorError):
    """A bundle is refused because it is worse than the current one, or not shown not to be."""


class LabelError(DriftMonitorError):
    """Labels that arrived later match no row, or contradict each other."""


class ComparisonError(DriftMonitorError):
    """Two results cannot be compared, or one of them cannot be read."""
