"""Empirical distribution functions of score, confidence and entropy, reduced for drawing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drift_monitor.formatting import count, fixed, percent, significant
from drift_monitor.pages import chart
from drift_monitor.pages.chart import Chart, Floats, Mark, Scale
from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.results.score_columns import ScoreColumn

SCORE_FLOOR = 1e-6
"""Lower scores are drawn here: a logarithmic axis has no zero."""

CURVE_POINTS = 250


class Curve(NamedTuple):
    """Values, ascending, and the share of rows at or below each."""

    values: Floats
    shares: Floats


def reduce_ecdf(sample: NDArray[np.float64], at: Sequence[float] = ()) -> Curve:
    """Return the empirical distribution function at about 250 values of the sample.

    Every point lies on the function, also where values are tied. It is exact at all values in
    `at`, whether or not the sample contains them.

    Parameters
    ----------
    sample : (n,) float64
        Finite, at least one value.
    at : sequence of float
        Values that must be among the points.

    Examples
    --------
    >>> curve = reduce_ecdf(np.array([3.0, 1.0, 1.0, 2.0]), at=[2.5])
    >>> curve.values.tolist(), curve.shares.tolist()
    ([1.0, 2.0, 2.5, 3.0], [0.5, 0.75, 0.75, 1.0])
    """
    ordered = np.sort(sample)
    n = len(ordered)
    ranks = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS)).astype(np.int64))
    values = np.unique(np.concatenate([ordered[ranks], np.asarray(at, np.float64)]))
    return Curve(values, np.searchsorted(ordered, values, side="right") / n)


def distribution_charts(report: Report, scores: pa.Table) -> list[Chart]:
    """Return the charts of the score (against the reference, by outcome) and of M's outputs."""
    drawn = (ScoreColumn.SCORE, ScoreColumn.CONFIDENCE, ScoreColumn.ENTROPY)
    finite = np.logical_and.reduce([np.isfinite(scores[name].to_numpy()) for name in drawn])
    if not finite.any():
        return []

    def sample(name: ScoreColumn, rows: NDArray[np.bool_] = finite) -> Floats:
        values: Floats = scores[name].to_numpy()[rows].astype(np.float64, copy=False)
        return values

    charts = [_score_against_reference(report, sample(ScoreColumn.SCORE))]
    outcomes = {
        outcome: sample(ScoreColumn.SCORE, finite & _equals(scores[ScoreColumn.OUTCOME], outcome))
        for outcome in ("harmful", "harmless")
    }
    if all(len(result) for result in outcomes.values()):
        charts.append(_by_outcome(report, outcomes["harmful"], outcomes["harmless"]))
    quantiles = np.asarray(report.reference.confidence_quantiles)
    confidence = sample(ScoreColumn.CONFIDENCE)
    lowest = min(float(quantiles[0]), float(confidence.min()))
    charts.append(
        _against_reference(
            report.test("confidence"),
            "Confidence of the classifier",
            "largest probability",
            confidence,
            quantiles,
            Scale(min(lowest, 0.99), 1.0),
            report.reference.n,
        )
    )
    quantiles = np.asarray(report.reference.entropy_quantiles)
    entropy = sample(ScoreColumn.ENTROPY)
    charts.append(
        _against_reference(
            report.test("entropy"),
            "Entropy of the classifier",
            "nats",
            entropy,
            quantiles,
            _scale(quantiles, entropy),
            report.reference.n,
        )
    )
    return charts


def _equals(column: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    equal: NDArray[np.bool_] = pc.fill_null(pc.equal(column, value), False).to_numpy()
    return equal


def _score_against_reference(report: Report, sample: Floats) -> Chart:
    threshold = report.detector.threshold
    quantiles = np.asarray(report.reference.score_quantiles)
    x = _scale(quantiles, sample, np.array([threshold]))
    return _against_reference(
        report.test("score"),
        "Adversarial score",
        "nats",
        sample,
        quantiles,
        x,
        report.reference.n,
        [_threshold(x, threshold)],
    )


def _against_reference(
    test: TwoSampleTest,
    title: str,
    unit: str,
    sample: Floats,
    quantiles: Floats,
    x: Scale,
    n_reference: int,
    further: Sequence[Mark] = (),
) -> Chart:
    """Draw the batch's curve over the reference's, which is known by its quantiles; mark D."""
    reference = Curve(quantiles, np.linspace(0, 1, len(quantiles)))
    current = reduce_ecdf(sample, [] if test.location is None else [test.location])
    y = Scale(0, 1)
    marks = [
        Mark(
            "line",
            "reference",
            _path(x.at(reference.values), y.up(reference.shares)),
            f"reference, {count(n_reference)} rows",
        ),
        _curve(current, x, f"batch, {count(len(sample))} rows", "current"),
    ]
    distance = _distance(test, current, reference)
    if distance:
        at, low, high = distance
        marks.append(
            Mark(
                "bold",
                "alarm",
                chart.bars(x.at(np.array([at])), y.up(np.array([low])), y.up(np.array([high]))),
                f"D = {fixed(test.statistic)} at {significant(at)}",
            )
        )
    batch, other = (significant(float(np.median(side))) for side in (sample, quantiles))
    return _chart(
        f"{title}, batch against reference",
        f"Half of the batch's rows lie at {batch} or below, half of the reference's at {other}.",
        f"{title.lower()} ({unit})",
        x,
        y,
        [*marks, *further],
    )


def _by_outcome(report: Report, harmful: Floats, harmless: Floats) -> Chart:
    threshold = report.detector.threshold
    # Without labels, a row that is not called harmful may still be wrong.
    other = "not called harmful" if report.harm.by == "detector" else "harmless"
    x, y = _scale(harmful, harmless, np.array([threshold])), Scale(0, 1)
    return _chart(
        "Adversarial score in the batch, by outcome",
        f"{percent(float(np.mean(harmful > threshold)))} of the harmful rows and "
        f"{percent(float(np.mean(harmless > threshold)))} of those {other} are above the "
        "threshold.",
        "adversarial score (nats)",
        x,
        y,
        [
            _curve(reduce_ecdf(harmless), x, f"{other}, {count(len(harmless))} rows", "reference"),
            _curve(reduce_ecdf(harmful), x, f"harmful, {count(len(harmful))} rows", "alarm"),
            _threshold(x, threshold),
        ],
    )


def _distance(
    test: TwoSampleTest, current: Curve, reference: Curve
) -> tuple[float, float, float] | None:
    """Return where D lies and its two ends; the batch's is exact, the other lies D away."""
    if test.location is None or test.statistic is None:
        return None
    at = test.location
    share = float(current.shares[np.searchsorted(current.values, at)])
    above = float(np.interp(at, reference.values, reference.shares)) > share
    return at, share, share + (test.statistic if above else -test.statistic)


def _scale(*samples: Floats) -> Scale:
    values = np.maximum(np.concatenate(samples), SCORE_FLOOR)
    low, high = float(values.min()), float(values.max())
    return Scale(low, max(1.2 * high, 10 * low), logarithmic=True)


def _curve(curve: Curve, x: Scale, legend: str, tone: chart.Tone) -> Mark:
    """Draw a curve as steps that begin at zero."""
    across, up = x.at(curve.values), Scale(0, 1).up(curve.shares)
    corners = np.repeat(across, 2)
    heights = np.concatenate([[chart.SIZE], np.repeat(up, 2)[:-1]])
    return Mark("line", tone, _path(corners, heights), legend)


def _path(across: Floats, up: Floats) -> str:
    """Draw a function that is 0 before its first point and 1 after its last."""
    ends = float(chart.SIZE)
    return chart.line(np.concatenate([[0.0], across, [ends]]), np.concatenate([[ends], up, [0.0]]))


def _threshold(x: Scale, threshold: float) -> Mark:
    at = x.at(np.array([threshold]))
    path = chart.bars(at, np.array([0.0]), np.array([float(chart.SIZE)]))
    return Mark("dashed", "muted", path, f"threshold t = {significant(threshold)} nats")


def _chart(
    title: str, description: str, x_unit: str, x: Scale, y: Scale, marks: list[Mark]
) -> Chart:
    return Chart(
        title=title,
        unit="share of rows at or below",
        description=description,
        x_ticks=x.ticks("{:g}".format),
        y_ticks=y.ticks("{:.0%}".format),
        marks=marks,
        x_unit=x_unit,
    )
