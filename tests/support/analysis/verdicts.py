"""Findings made by hand, from which a verdict follows."""

from typing import Any

from drift_monitor.config import Policy
from drift_monitor.results.report import Counts
from drift_monitor.results.report_findings import (
    Accuracy,
    Harm,
    LikelyExplanation,
    Support,
    TwoSampleTest,
)
from drift_monitor.stats.estimates import Estimate, Rate

POLICY = Policy(alpha=0.05, min_effect=0.1, harm_margin=0.01, min_rows=100, max_rejected=0.1)


def counts(scored: int = 1000, rejected: int = 0, non_finite: int = 0) -> Counts:
    return Counts(
        read=scored + rejected,
        scored=scored,
        rejected=rejected,
        flagged=0,
        labelled=scored,
        non_finite=non_finite,
    )


def rate(value: float) -> Rate:
    return Rate(count=round(1000 * value), n=1000, rate=value, low=value, high=value)


def harm(estimate: float = 0.0, low: float = -0.01, **fields: Any) -> Harm:
    """Return a harm rate that lies `estimate` above a reference of 5 %, at least `low`."""
    found: dict[str, Any] = {
        "by": "labels",
        "definition": "harmful where it is",
        "margin": POLICY.harm_margin,
        "confidence": 1 - POLICY.alpha,
        "left_out": 0,
        "current": rate(0.05 + estimate),
        "reference": rate(0.05),
        "difference": Estimate(estimate=estimate, low=low, high=2 * estimate - low),
        "p_value": 0.2,
    }
    return Harm.model_validate(found | fields)


def accuracy(
    drop: float | None = None,
    low: float = 0.0,
    *,
    bounds: tuple[float, float] | None = None,
    decides: bool = True,
) -> Accuracy:
    """Return an estimated accuracy that lies `drop`, at least `low`, below 90 %; or none.

    `bounds` are those of its difference to the reference; those of its interval when not given.
    """
    estimated = None
    if drop is not None:
        share = {"low": 0.0, "high": 1.0, "n": 1000}
        estimated = {
            "current": share | {"estimate": 0.9 - drop},
            "reference": share | {"estimate": 0.9},
            "difference": {"estimate": -drop, "low": low - 2 * drop, "high": -low},
            "bounds": {
                "low": 0.0,
                "high": 1.0,
                "difference_low": (bounds or (low - 2 * drop, -low))[0],
                "difference_high": (bounds or (low - 2 * drop, -low))[1],
                "unknown": 0.0,
            },
            "largest_drop": drop,
            "p_value": 0.1,
            "decides": decides,
        }
    nothing = {"current": None, "reference": None, "difference": None}
    return Accuracy.model_validate(
        {"realised": nothing, "estimated": estimated, "estimated_missing": None}
    )


def support(novel: float = 0.01, distance: float = 0.01, unexplained: float = 0.0) -> Support:
    """Return what is known of 1,000 rows, this share of which are novel."""
    return Support(
        novel=rate(novel),
        novel_reference=rate(0.01),
        distance=distance,
        by_chance=0.05,
        explanation=explanation(unexplained=unexplained),
    )


def explanation(name: str = "normal", **changes: float) -> LikelyExplanation:
    """Return rows that a batch is like, which add nothing to its estimated accuracy."""
    nothing = {"unexplained": 0.0, "novel": 0.0, "correction": 0.0, "correction_error": 0.001}
    return LikelyExplanation.model_validate({"name": name} | nothing | changes)


def ks(
    d: float | None,
    p_adjusted: float | None,
    name: str = "score",
    *,
    in_family: bool = True,
    policy: Policy = POLICY,
) -> TwoSampleTest:
    detected = d is not None and p_adjusted is not None
    return TwoSampleTest.model_validate(
        {
            "name": name,
            "kind": "ks",
            "effect": d,
            "p_value_is_bound": False,
            "degrees_of_freedom": None,
            "compares": f"rows of {name}",
            "in_family": in_family,
            "skipped": None if d is not None else "one of the two samples is empty",
            "statistic": d,
            "low": d,
            "high": d,
            "location": d,
            "p_value": p_adjusted,
            "p_value_adjusted": p_adjusted if in_family else None,
            "method": None if d is None else "exact",
            "n_reference": 1000,
            "n_current": 1000,
            "minimum_detectable": d,
            "threshold": policy.min_effect,
            "drift_detected": in_family
            and detected
            and (p_adjusted or 0) < policy.alpha
            and (d or 0) >= policy.min_effect,
        }
    )
