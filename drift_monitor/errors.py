"""Errors of the batch job; `adversarial.errors.DriftMonitorError` is their root."""

from adversarial.errors import DriftMonitorError


class ConfigError(DriftMonitorError):
    """A monitor's YAML file is missing, malformed or contradicts the bundle."""


class BatchError(DriftMonitorError):
    """A production batch is missing, empty, unreadable or not of the declared form."""


class MissingBatchError(BatchError):
    """There is no file for the interval: perhaps not yet."""


class StoreError(DriftMonitorError):
    """A committed interval is missing or cannot be read."""


class EvaluationError(DriftMonitorError):
    """An evaluation cannot be made as it is described, or one on disk is not what it should be."""


class PromotionError(DriftMonitorError):
    """A bundle is refused: worse than the current one, or nothing shows that it is not."""


class LabelError(DriftMonitorError):
    """Labels that arrive later name no row, or contradict each other."""


class ComparisonError(DriftMonitorError):
    """Two results cannot be compared, or one of them cannot be read."""
