"""Every number of a monitor's history in one long table, for a dashboard."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import Slice, TwoSampleTest
from drift_monitor.stats.estimates import Estimate, EstimatedShare, Rate

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("monitor", pa.string()),
        ("interval", pa.string()),
        ("start", TIME),
        ("end", TIME),
        ("detector", pa.string()),
        ("verdict", pa.string()),
        ("harm_by", pa.string()),
        ("metric", pa.string()),
        ("by", pa.string()),
        ("slice", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("threshold", pa.float64()),
    ]
)
"""Columns of the table (docs/files.md)."""

METRICS = {
    "rows_read": "Rows in the batch.",
    "rows_scored": "Rows that could be scored.",
    "rows_rejected": "Rows that could not be scored.",
    "rows_flagged": "Scored rows whose score is above the threshold.",
    "rows_labelled": "Scored rows with a label.",
    "rows_non_finite": "Scored rows whose score, confidence or entropy is not a finite number.",
    "rows_outside_interval": "Scored rows whose time lies outside the interval.",
    "rows_without_time": "Scored rows whose time is missing or cannot be represented.",
    "flagged_share": "Share of the scored rows that is flagged.",
    "flagged_share_reference": "Share of the reference's rows that is flagged.",
    "harm_rate": "Share of harmful rows among those that are harmful or harmless.",
    "harm_rate_reference": "Share of harmful rows in the reference.",
    "harm_rate_difference": "Harm rate of the batch minus that of the reference.",
    "harm_p_value": "One-sided p of Fisher's exact test that harm is not above the reference's.",
    "row_share": "Share of the scored rows with this class or value.",
    "row_share_reference": "Share of the reference's rows with this class or value.",
    "accuracy_realised": "Share of correct predictions among labelled rows.",
    "accuracy_realised_reference": "Share of correct predictions among labelled reference rows.",
    "accuracy_realised_difference": "Realised accuracy of the batch minus that of the reference.",
    "accuracy_estimated": "Accuracy estimated without labels.",
    "accuracy_estimated_reference": "Accuracy of the reference estimated without labels.",
    "accuracy_estimated_difference": "Estimated accuracy minus that of the reference.",
    "accuracy_bounds": "Bounds of the accuracy of all rows read, whatever the unknown ones are.",
    "accuracy_bounds_difference": "The same bounds, as a difference to the reference.",
    "unknown_share": "Share of the rows read that may be anything, from all wrong to all right.",
    "novel_share": "Share of the scored rows that are unlike any calibration row.",
    "novel_share_reference": "The same share of normal rows.",
    "learned_distance": "D of a learner's scores between the batch and normal rows.",
    "resembling_share": "Share of the scored rows that look like rows with this damage.",
    "unexplained_share": "Share of the scored rows that no mixture of calibration rows explains.",
    "test_effect": "Effect of a two-sample test: D, or the total variation distance.",
    "test_p_value": "p of a two-sample test of the batch against the reference.",
    "test_p_value_adjusted": "The same p, adjusted for the number of tests in the report.",
    "input_effect": "Effect of the test of an input: D, or the total variation distance.",
    "input_p_value_adjusted": "p of that test, adjusted for the number of tests on inputs.",
    "input_outside_share": "Share of the scored rows outside the input's range in the reference.",
    "input_unseen_share": "Share of the scored rows with a value that the reference lacks.",
    "input_missing_share": "Share of the rows read without a value of the input.",
    "score_quantile": "Quantile of the adversarial scores, in nats.",
    "corrections_proposed": "Flagged rows with a different class after reconstruction.",
    "corrections_offered": "Rows for which that other class is offered.",
    "correction_gain_expected": (
        "Change in accuracy expected from the corrections within support, offered or withheld."
    ),
    "correction_gain_realised": "Change in accuracy from these corrections, by the labels.",
}
"""What the values of the column `metric` mean."""


class Measurement(NamedTuple):
    """One number of one interval, for the columns of the same names; None where it has none."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    threshold: float | None = None
    by: str | None = None
    slice: str | None = None


def history_table(reports: Sequence[Report]) -> pa.Table:
    """Return the numbers of reports as a table with `SCHEMA`, intervals in time order."""
    rows: list[dict[str, Any]] = []
    for report in sorted(reports, key=lambda report: report.data_interval.start):
        about = {
            "monitor": report.monitor,
            "interval": report.interval,
            "start": report.data_interval.start,
            "end": report.data_interval.end,
            "detector": report.detector.fingerprint,
            "verdict": report.verdict.verdict,
            "harm_by": report.harm.by,
        }
        rows += [about | result._asdict() for result in measurements(report)]
    return pa.Table.from_pylist(rows, SCHEMA)


def measurements(report: Report) -> Iterator[Measurement]:
    """Yield the numbers of a report; missing ones are left out, except for skipped tests.

    Bounds of accuracy have two ends and no value.
    """
    counts, health = report.counts, report.detector_health
    for name, n in counts:
        if n is not None:
            yield Measurement(f"rows_{name}", n)
    if health.flagged_share_current is not None:
        yield Measurement("flagged_share", health.flagged_share_current, n=counts.scored)
    yield Measurement(
        "flagged_share_reference", health.flagged_share_reference, n=report.reference.n
    )
    yield from _harm(report)
    yield from _accuracy(report)
    yield from _support(report)
    yield from _tests(report)
    yield from _inputs(report)
    for quantile in report.score_quantiles:
        yield Measurement(
            "score_quantile", quantile.score, by="probability", slice=f"{quantile.probability:g}"
        )
    gain = report.correction_gain
    yield Measurement("corrections_proposed", gain.proposed)
    yield Measurement("corrections_offered", gain.offered)
    yield from _bounded("correction_gain_expected", gain.expected)
    if gain.realised is not None:
        yield Measurement("correction_gain_realised", gain.realised)


def _harm(report: Report) -> Iterator[Measurement]:
    harm = report.harm
    yield from _bounded("harm_rate", harm.current)
    yield from _bounded("harm_rate_reference", harm.reference)
    yield from _bounded("harm_rate_difference", harm.difference, threshold=harm.margin)
    if harm.p_value is not None:
        yield Measurement("harm_p_value", harm.p_value)
    for result in report.slices:
        yield from _bounded("harm_rate", result.current, of=result)
        yield from _bounded("harm_rate_reference", result.reference, of=result)
        yield from _bounded("harm_rate_difference", result.difference, of=result)
        shares = [("row_share", result.share_current, report.counts.scored)]
        if result.share_reference is not None:
            shares.append(("row_share_reference", result.share_reference, report.reference.n))
        for metric, share, n in shares:
            yield Measurement(metric, share, n=n, by=result.by, slice=result.value)


def _accuracy(report: Report) -> Iterator[Measurement]:
    for name, result in (
        ("accuracy_realised", report.accuracy.realised),
        ("accuracy_estimated", report.accuracy.estimated),
    ):
        if result:
            yield from _bounded(name, result.current)
            yield from _bounded(f"{name}_reference", result.reference)
            yield from _bounded(f"{name}_difference", result.difference)

    if estimated := report.accuracy.estimated:
        bounds, n = estimated.bounds, report.counts.read
        yield Measurement("accuracy_bounds", None, bounds.low, bounds.high, n)
        yield Measurement(
            "accuracy_bounds_difference",
            None,
            bounds.difference_low,
            bounds.difference_high,
            n,
            -report.harm.margin,
        )
        yield Measurement("unknown_share", bounds.unknown, n=n)


def _support(report: Report) -> Iterator[Measurement]:
    if (support := report.support) is None:
        return
    yield from _bounded("novel_share", support.novel)
    yield from _bounded("novel_share_reference", support.novel_reference)
    n = report.counts.scored
    if support.distance is not None:
        yield Measurement("learned_distance", support.distance, n=n, threshold=support.by_chance)
    for kind in support.resembles:
        name = f"{kind.damage} {kind.severity:g}"
        yield Measurement("resembling_share", kind.share, n=n, by="damage", slice=name)
    if support.explanation is not None:
        yield Measurement("unexplained_share", support.explanation.unexplained, n=n)


def _tests(report: Report) -> Iterator[Measurement]:
    for test in report.tests:
        about = Measurement("", None, n=test.n_current, by="test", slice=test.name)
        yield _effect(about, "test_effect", test)
        yield about._replace(metric="test_p_value", value=test.p_value)
        if test.in_family:
            yield about._replace(
                metric="test_p_value_adjusted",
                value=test.p_value_adjusted,
                threshold=report.config["policy"]["alpha"],
            )


def _effect(about: Measurement, metric: str, test: TwoSampleTest) -> Measurement:
    return about._replace(
        metric=metric,
        value=test.effect,
        low=test.low,
        high=test.high,
        threshold=test.threshold,
    )


def _inputs(report: Report) -> Iterator[Measurement]:
    for test in report.inputs.tests if report.inputs else ():
        about = Measurement("", None, n=test.n_current, by="input", slice=test.name)
        yield _effect(about, "input_effect", test)
        yield about._replace(
            metric="input_p_value_adjusted",
            value=test.p_value_adjusted,
            threshold=report.config["policy"]["alpha"],
        )
        for name, share in (
            ("outside", test.outside),
            ("unseen", test.unseen),
            ("missing", test.missing),
        ):
            if share:
                n = report.counts.read if name == "missing" else test.n_current
                yield about._replace(metric=f"input_{name}_share", value=share.current, n=n)


def _bounded(
    metric: str,
    found: Rate | Estimate | None,
    threshold: float | None = None,
    of: Slice | None = None,
) -> Iterator[Measurement]:
    if found is None:
        return
    value = found.rate if isinstance(found, Rate) else found.estimate
    n = found.n if isinstance(found, Rate | EstimatedShare) else None
    by, name = (of.by, of.value) if of else (None, None)
    yield Measurement(metric, value, found.low, found.high, n, threshold, by, name)
