"""Score tables, and the rates and tests that follow from them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.stats.estimates import Estimate, Rate
from tests.support.reports.cases import ALPHA, REFERENCE_ROWS, SHIFT, THRESHOLD, Case


def make_scores(case: Case, rng: np.random.Generator) -> pa.Table:
    n, names = case.rows, case.class_names
    moved = rng.random(n) < 0.25
    score = np.exp(rng.normal(-4.5, 1.25, n) + moved * SHIFT[case.verdict] * 1.5)
    if case.verdict in ("harmless_drift", "statistical_only"):
        score = np.exp(rng.normal(-4.5, 1.25, n) + SHIFT[case.verdict])
    flagged = score > THRESHOLD
    # The likelier a class, the earlier in the list, so that there are large and small parts.
    shares = 1 / np.arange(2, len(names) + 2) ** 0.7
    prediction = rng.choice(len(names), n, p=shares / shares.sum())
    other = (prediction + 1 + (rng.random(n) * min(3, len(names) - 1)).astype(int)) % len(names)
    changes = flagged & (rng.random(n) < (0.8 if case.verdict == "harmful_drift" else 0.25))
    reconstruction = np.where(changes, other, prediction)
    right = np.clip(rng.beta(9, 1, n) - 0.5 * changes, 0.01, 0.99)
    likelier = changes & (right < 0.5) if case.accuracy_estimator else changes
    offered = likelier & case.accuracy_estimator
    wrong = rng.random(n) < np.where(changes, 0.6, 0.05)
    label = np.where(wrong, other, prediction)
    harmful = wrong if case.labels else likelier
    text = np.array(names, dtype=object)
    columns: dict[str, Any] = (
        {"row_id": [f"{case.word}r{i:05}" for i in range(n)]}
        if case.row_ids
        else {"file": [f"{case.word}part-0.parquet"] * n, "row": list(range(n))}
    )
    columns |= {
        "prediction": text[prediction],
        "confidence": rng.beta(8, 1, n).astype(np.float32),
        "entropy": rng.gamma(1, 0.2, n),
        "adversarial_score": score,
        "flagged": flagged,
        "corrected_prediction": text[np.where(offered, reconstruction, prediction)],
        "reconstruction_prediction": text[reconstruction],
        "reconstruction_confidence": rng.beta(8, 1, n).astype(np.float32),
    }
    if case.accuracy_estimator:
        columns["probability_correct"] = right
    columns["outcome"] = pa.array(np.where(harmful, "harmful", "harmless").tolist(), pa.string())
    if case.labels:
        columns["label"] = text[label]
    for name, values in case.segments:
        own = np.minimum(rng.geometric(2.5 / (values + 1), n) - 1, values - 1)
        columns[f"{case.word}{name}"] = [f"{case.word}{name} {value}" for value in own]
    return pa.table(
        {
            name: column if isinstance(column, pa.Array) else pa.array(list(column), _type(name))
            for name, column in columns.items()
        }
    )


def _type(name: str) -> pa.DataType:
    return {
        "row": pa.int64(),
        "confidence": pa.float32(),
        "reconstruction_confidence": pa.float32(),
        "entropy": pa.float64(),
        "adversarial_score": pa.float64(),
        "probability_correct": pa.float64(),
        "flagged": pa.bool_(),
    }.get(name, pa.string())


def make_tests(
    case: Case,
    reference: NDArray[np.float64],
    sample: NDArray[np.float64],
    outcome: NDArray[np.object_],
) -> list[TwoSampleTest]:
    settled = rate(405 if case.labels else 165, REFERENCE_ROWS).count
    ordered = np.sort(reference)
    tests = [
        _ks("score", "score, all rows", reference, sample),
        _ks(
            "score_harmful", "score, harmful rows", ordered[-settled:], sample[outcome == "harmful"]
        ),
        _ks(
            "score_harmless",
            "score, harmless rows",
            ordered[:-settled],
            sample[outcome == "harmless"],
        ),
    ]
    if case.labels:
        tests.append(
            _ks(
                "separation",
                "score, harmful rows of the batch against its harmless ones",
                sample[outcome == "harmless"],
                sample[outcome == "harmful"],
                in_family=False,
            )
        )
    rng = np.random.default_rng(case.seed + 100)
    tests += [
        _ks(name, name, rng.random(REFERENCE_ROWS), rng.random(case.rows))
        for name in ("confidence", "entropy")
    ]
    for name, compares in [
        ("class_mix", "mix of predicted classes"),
        *[
            (f"segment_mix:{case.word}{name}", f"mix of {case.word}{name}")
            for name, _ in case.segments
        ],
    ]:
        tests.append(
            TwoSampleTest(
                name=name,
                kind="chi_squared",
                compares=compares,
                in_family=True,
                skipped=None if case.rows else "no row in the batch",
                statistic=12.31 if case.rows else None,
                effect=0.041 if case.rows else None,
                low=0.0 if case.rows else None,
                high=0.083 if case.rows else None,
                location=None,
                p_value=0.196 if case.rows else None,
                p_value_is_bound=False,
                p_value_adjusted=0.98 if case.rows else None,
                method="asymptotic" if case.rows else None,
                degrees_of_freedom=9 if case.rows else None,
                n_reference=REFERENCE_ROWS,
                n_current=case.rows,
                minimum_detectable=0.07 if case.rows else None,
                threshold=0.1,
                drift_detected=False,
            )
        )
    return tests


def _ks(
    name: str,
    compares: str,
    reference: NDArray[np.float64],
    sample: NDArray[np.float64],
    *,
    in_family: bool = True,
) -> TwoSampleTest:
    n, m = len(reference), len(sample)
    if m < 10:
        return TwoSampleTest(
            name=name,
            kind="ks",
            compares=compares,
            in_family=in_family,
            skipped=f"{m} rows in the batch, fewer than 10",
            statistic=None,
            effect=None,
            low=None,
            high=None,
            location=None,
            p_value=None,
            p_value_is_bound=False,
            p_value_adjusted=None,
            method=None,
            degrees_of_freedom=None,
            n_reference=n,
            n_current=m,
            minimum_detectable=None,
            threshold=0.1,
            drift_detected=False,
        )
    found = stats.ks_2samp(reference, sample, method="asymp")
    d = float(found.statistic)
    p = max(float(found.pvalue), 1e-12)
    band = sum(np.sqrt(np.log(4 / ALPHA) / (2 * size)) for size in (n, m))
    return TwoSampleTest(
        name=name,
        kind="ks",
        compares=compares,
        in_family=in_family,
        skipped=None,
        statistic=d,
        effect=d,
        low=max(0, d - band),
        high=min(1, d + band),
        location=float(found.statistic_location),
        p_value=p,
        p_value_is_bound=p == 1e-12,
        p_value_adjusted=min(1, 6 * p) if in_family else None,
        method="asymptotic",
        degrees_of_freedom=None,
        n_reference=n,
        n_current=m,
        minimum_detectable=float(2.2 * np.sqrt((n + m) / (n * m))),
        threshold=0.1,
        drift_detected=in_family and 6 * p < ALPHA and d >= 0.1,
    )


def rate(count: int, n: int) -> Rate:
    """Return a rate with its Wilson interval."""
    interval = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    return Rate(count=count, n=n, rate=count / n, low=interval.low, high=interval.high)


def difference(current: Rate, reference: Rate) -> Estimate:
    """Return current minus reference with Newcombe's interval."""
    estimate = current.rate - reference.rate
    below = np.hypot(current.rate - current.low, reference.high - reference.rate)
    above = np.hypot(current.high - current.rate, reference.rate - reference.low)
    return Estimate(estimate=estimate, low=estimate - below, high=estimate + above)
