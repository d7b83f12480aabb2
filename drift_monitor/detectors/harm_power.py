"""How often batches of measured rows would be called harmful, by each rule on harm and by both."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.analysis.accuracy import DropErrorModel, Unlabelled, estimated_accuracy
from drift_monitor.config import Policy

Floats = NDArray[np.float64]

MOST_ROWS = 1 << 24
"""Rows of a batch, at most, that a power is looked for at."""


@dataclass(frozen=True)
class Estimated:
    """What the estimate of accuracy goes by.

    Attributes
    ----------
    right, right_reference : (n,), (m,) float64
        Probabilities that the predictions of the measured rows, and of the reference, are right.
    estimator : AccuracyEstimator
        Gave them.
    unlabelled : Unlabelled
        What is known of the measured rows' support.
    """

    right: Floats
    right_reference: Floats
    estimator: DropErrorModel
    unlabelled: Unlabelled


@dataclass(frozen=True)
class HarmPower:
    """The power of a verdict's rules on harm, at the default policy, by normal approximation.

    Attributes
    ----------
    harmful : (n,) bool
        Whether the detector calls each of the measured rows harmful.
    normal_rate : float
        Share of normal rows that it calls so.
    n_reference : int
        Rows of the reference window.
    estimated : Estimated, optional
        None where a verdict has the detector's rate alone.
    """

    harmful: NDArray[np.bool_]
    normal_rate: float
    n_reference: int
    estimated: Estimated | None = None

    @property
    def alpha(self) -> float:
        """1 − confidence of the intervals: half of α is for harm, shared by one rule or two."""
        return Policy().alpha / (2 if self.estimated else 1)

    def at(self, n: int) -> float:
        """Return the chance that a batch of n such rows is called harmful, by whichever rule."""
        rate, estimate = self._by_rate(n), self._by_estimate(n)
        if estimate is None or self.estimated is None:
            return float(scipy.stats.norm.cdf(rate))
        # Rows that the detector calls harmful are those that the estimate takes for wrong.
        share = float(self.harmful.mean())
        here = share * (1 - share) / n
        together = float(np.mean((self.harmful - share) * -self.estimated.right))
        scale = math.sqrt(here + self._there) * math.sqrt(float(self.estimated.right.var()) / n)
        correlation = float(np.clip(together / n / scale, -1, 1)) if scale else 0.0
        neither = scipy.stats.multivariate_normal.cdf(
            [-rate, -estimate],
            cov=[[1, correlation], [correlation, 1]],
            allow_singular=True,
        )
        return float(np.clip(1 - neither, 0, 1))

    def of_rate(self, n: int) -> float:
        """Return the same by the detector's rate alone."""
        return float(scipy.stats.norm.cdf(self._by_rate(n)))

    def rows_needed(self, power: float) -> int | None:
        """Return from how many rows on a batch is called harmful so often; None if at no number."""
        low, high = 0, 1
        while self.at(high) < power:
            low, high = high, 2 * high
            if high > MOST_ROWS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle) >= power else (middle, high)
        return high

    @property
    def _there(self) -> float:
        return self.normal_rate * (1 - self.normal_rate) / self.n_reference

    def _by_rate(self, n: int) -> float:
        """Return by how many standard errors the rate is expected beyond where it shows harm."""
        share = float(self.harmful.mean())
        error = math.sqrt(self._there + share * (1 - share) / n + 1e-12)
        z = float(scipy.stats.norm.isf(self.alpha / 2))
        return (share - self.normal_rate - max(Policy().harm_margin, z * error)) / error

    def _by_estimate(self, n: int) -> float | None:
        """Return the same of the estimate's upper bound; None where it can show nothing."""
        if self.estimated is None:
            return None
        found = self.estimated
        bounds = estimated_accuracy(
            found.right,
            found.right_reference,
            found.estimator,
            found.unlabelled,
            self.alpha,
            n_effective=n,
        ).bounds
        known = 1 - bounds.unknown
        error = math.sqrt(float(found.right.var()) / n + 1e-12)
        if known <= 0:
            return None
        return (-Policy().harm_margin - bounds.difference_high) / (known * error)
