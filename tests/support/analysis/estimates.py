"""Estimates as tuples, which pytest compares approximately."""

from drift_monitor.stats.estimates import Estimate


def ends(found: Estimate | None) -> tuple[float, float, float]:
    """Return the estimate and the two ends of its interval."""
    assert found
    return found.estimate, found.low, found.high


def negated(found: Estimate | None) -> tuple[float, float, float]:
    """Return the same of the difference the other way round."""
    estimate, low, high = ends(found)
    return -estimate, -high, -low
