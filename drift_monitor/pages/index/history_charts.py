"""Charts over time: harm, accuracy, scores and D of a monitor's intervals."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from drift_monitor.formatting import fixed, percent, significant
from drift_monitor.pages import chart
from drift_monitor.pages.chart import Chart, Floats, Link, Mark, Scale, Tick
from drift_monitor.pages.ecdf import SCORE_FLOOR
from drift_monitor.pages.index.history import gap_between
from drift_monitor.results.report import Report, VerdictName
from drift_monitor.results.report_findings import EstimatedAccuracy
from drift_monitor.stats.estimates import Estimate, Rate

X_LABELS = 6

DENSE = 60
"""With more reports, intervals are drawn as areas: lines would hide everything else."""

MEDIAN = 0.5


class _Band(NamedTuple):
    """A value of each report with its interval; NaN where there is none, and in gaps."""

    value: Floats
    low: Floats
    high: Floats

    @property
    def is_empty(self) -> bool:
        return bool(np.isnan(self.value).all())


class _Time:
    """The time axis: the reports, with a hole wherever an interval is missing between two."""

    def __init__(self, ordered: Sequence[Report]) -> None:
        self.ordered = ordered
        self.reports: list[Report | None] = []
        begin = ordered[0].data_interval.start
        whole = max(report.data_interval.end for report in ordered) - begin
        ends: list[tuple[float, float]] = []
        for before, report in zip([None, *ordered], ordered, strict=False):
            if before is not None and gap_between(before, report):
                self.reports.append(None)
                ends.append((np.nan, np.nan))
            self.reports.append(report)
            interval = report.data_interval
            ends.append(((interval.start - begin) / whole, (interval.end - begin) / whole))
        self.left, self.right = chart.SIZE * np.array(ends).T
        self.middle = (self.left + self.right) / 2

    def values(self, of: Callable[[Report], float | None]) -> Floats:
        result = [None if report is None else of(report) for report in self.reports]
        return np.array([np.nan if value is None else value for value in result], np.float64)

    def band(self, of: Callable[[Report], Rate | Estimate | None]) -> _Band:
        result = [None if report is None else of(report) for report in self.reports]
        rows = [(np.nan,) * 3 if x is None else (_value(x), x.low, x.high) for x in result]
        return _Band(*np.array(rows, np.float64).T)

    def ticks(self) -> list[Tick]:
        result = [
            Tick(round(float(middle), 1), _label(report))
            for report, middle in zip(self.reports, self.middle, strict=True)
            if report is not None
        ]
        return result[:: -(-len(result) // X_LABELS)]

    def replaced(self) -> Floats:
        """Return where a report's detector differs from that of the report before."""
        fingerprints = [report.detector.fingerprint for report in self.ordered]
        lefts = self.left[np.isfinite(self.left)].tolist()
        changed = zip(lefts[1:], pairwise(fingerprints), strict=True)
        return np.array([left for left, (before, after) in changed if before != after])

    def chart(
        self,
        title: str,
        unit: str,
        y: Scale,
        tick: Callable[[float], str],
        marks: list[Mark],
        text: Callable[[Report], str],
    ) -> Chart:
        """Return a chart whose columns link to the reports; `text` says what one shows."""
        at = self.replaced()
        if len(at):
            path = chart.bars(at, np.zeros(len(at)), np.full(len(at), float(chart.SIZE)))
            marks = [*marks, Mark("thin", "muted", path, "detector replaced")]
        links = [
            Link(round(left, 1), round(right - left, 1), report.interval, text(report))
            for report, left, right in zip(
                self.reports, self.left.tolist(), self.right.tolist(), strict=True
            )
            if report is not None
        ]
        last = self.ordered[-1]
        return Chart(
            title=title,
            unit=unit,
            description=f"{len(links)} intervals; the latest, {last.interval}: {text(last)}.",
            x_ticks=self.ticks(),
            y_ticks=y.ticks(tick),
            marks=marks,
            links=links,
        )


def charts(ordered: Sequence[Report]) -> list[Chart]:
    """Return the charts that have anything to show for one or more reports in time order."""
    time = _Time(ordered)
    result = [_harm(time), _accuracy(time), _distance(time), _scores(time)]
    return [drawn for drawn in result if drawn]


def _harm(time: _Time) -> Chart | None:
    current = time.band(lambda report: report.harm.current)
    if current.is_empty:
        return None
    reference = time.band(lambda report: report.harm.reference).value
    limit = reference + time.values(lambda report: report.harm.margin)
    y = chart.linear([*current.high, *limit], most=1)
    marks = [
        Mark("line", "reference", chart.steps(time.left, time.right, y.up(reference)), "reference"),
        Mark(
            "dashed",
            "reference",
            chart.steps(time.left, time.right, y.up(limit)),
            "reference plus margin",
        ),
        _intervals(time, y, current, "current"),
    ]
    # Rates that were judged on different bases are not comparable, so no line joins them.
    kinds: tuple[tuple[str, chart.Kind], ...] = (
        *(("labels", "dots"), ("paired", "dots")),
        ("detector", "rings"),
    )
    for harm_by, kind in kinds:
        own = np.array([r is not None and r.harm.by == harm_by for r in time.reports])
        if own.any():
            marks += _points(time, y, np.where(own, current.value, np.nan), kind, f"by {harm_by}")
    marks += _harmful(time, y, current.value)

    def text(report: Report) -> str:
        harm = report.harm
        if not harm.current:
            return "no harm rate"
        reference = percent(harm.reference.rate) if harm.reference else "not known"
        return f"harm {percent(harm.current.rate)}, reference {reference}, by {harm.by}"

    return time.chart("Harm rate", "of the batch, with interval", y, _percent, marks, text)


def _accuracy(time: _Time) -> Chart | None:
    estimated = time.band(lambda r: r.accuracy.estimated.current if r.accuracy.estimated else None)
    realised = time.band(lambda r: r.accuracy.realised.current)
    reference = time.band(lambda r: r.accuracy.realised.reference).value
    if estimated.is_empty and realised.is_empty:
        return None
    bounds = time.band(lambda r: _bounds(r.accuracy.estimated) if r.accuracy.estimated else None)
    lows = np.concatenate([estimated.low, bounds.low, realised.low, reference])
    lowest = float(np.nanmin(lows))
    y = Scale(max(0.0, lowest - 0.1 * (1 - lowest) - 0.001), 1)
    marks = []
    if not np.isnan(reference).all():
        path = chart.steps(time.left, time.right, y.up(reference))
        marks.append(Mark("line", "reference", path, "reference, by labels"))
    if not estimated.is_empty:
        low, high = y.up(estimated.low), y.up(estimated.high)
        path = chart.steps(time.left, time.right, y.up(estimated.value))
        outer = chart.area(time.left, time.right, y.up(bounds.low), y.up(bounds.high))
        marks += [
            Mark("area", "estimate", outer, "bounds of the estimate"),
            Mark("area", "estimate", chart.area(time.left, time.right, low, high)),
            Mark("line", "estimate", path, "estimated"),
        ]
    if not realised.is_empty:
        marks += [
            _intervals(time, y, realised, "current"),
            *_points(time, y, realised.value, "dots", "realised, by labels"),
        ]

    def text(report: Report) -> str:
        estimate, by_labels = report.accuracy.estimated, report.accuracy.realised.current
        known = [
            f"estimated {percent(estimate.current.estimate)} (bounds "
            f"{percent(estimate.bounds.low)} to {percent(estimate.bounds.high)})"
            if estimate
            else "",
            f"realised {percent(by_labels.rate)}" if by_labels else "",
        ]
        return ", ".join(filter(None, known)) or "accuracy not known"

    return time.chart("Accuracy", "of the batch, with intervals", y, _percent, marks, text)


def _distance(time: _Time) -> Chart | None:
    tests = {report.interval: report.test("score") for report in time.ordered}
    band = _Band(
        time.values(lambda r: tests[r.interval].effect),
        time.values(lambda r: tests[r.interval].low),
        time.values(lambda r: tests[r.interval].high),
    )
    if band.is_empty:
        return None
    least = time.values(lambda r: tests[r.interval].threshold)
    y = chart.linear([*band.high, *least], most=1)
    marks = [
        Mark(
            "dashed",
            "reference",
            chart.steps(time.left, time.right, y.up(least)),
            "minimum effect",
        ),
        _intervals(time, y, band, "current"),
        *_points(time, y, band.value, "dots", "D"),
        *_harmful(time, y, band.value),
    ]
    return time.chart(
        "D of the score",
        "batch against reference, with interval",
        y,
        "{:g}".format,
        marks,
        lambda report: f"D = {fixed(tests[report.interval].effect)}",
    )


def _scores(time: _Time) -> Chart | None:
    scores = {
        report.interval: {q.probability: max(q.score, SCORE_FLOOR) for q in report.score_quantiles}
        for report in time.ordered
    }
    probabilities = sorted({p for result in scores.values() for p in result if 0 < p < 1})
    if not probabilities:
        return None

    def quantile(probability: float) -> Floats:
        return time.values(lambda report: scores[report.interval].get(probability))

    lines = {probability: quantile(probability) for probability in probabilities}
    threshold = time.values(lambda report: max(report.detector.threshold, SCORE_FLOOR))
    values = np.concatenate([*lines.values(), threshold])
    y = Scale(float(np.nanmin(values)) / 1.5, float(np.nanmax(values)) * 1.5, logarithmic=True)
    marks = []
    for low, high in zip(probabilities, reversed(probabilities), strict=True):
        if low < MEDIAN and abs(low + high - 1) < 1e-9:
            path = chart.area(time.left, time.right, y.up(lines[low]), y.up(lines[high]))
            marks.append(Mark("area", "current", path, f"middle {high - low:.0%} of the rows"))
    if MEDIAN in lines:
        path = chart.steps(time.left, time.right, y.up(lines[MEDIAN]))
        marks.append(Mark("line", "current", path, "median"))
    path = chart.steps(time.left, time.right, y.up(threshold))
    marks.append(Mark("dashed", "reference", path, "threshold t"))
    return time.chart(
        "Adversarial score",
        "nats, logarithmic",
        y,
        "{:g}".format,
        marks,
        lambda report: f"median {significant(scores[report.interval].get(MEDIAN))} nats",
    )


def _points(time: _Time, y: Scale, values: Floats, kind: chart.Kind, legend: str) -> list[Mark]:
    across, up = time.middle, y.up(values)
    return [
        Mark("thin", "current", chart.line(across, up)),
        Mark(kind, "current", chart.dots(across, up), legend),
    ]


def _harmful(time: _Time, y: Scale, values: Floats) -> list[Mark]:
    """Mark the points of intervals with harm, and of those where harm is unknown."""
    kinds: tuple[tuple[VerdictName, chart.Kind, chart.Tone, str], ...] = (
        ("harmful_drift", "dots", "alarm", "harmful drift"),
        ("drift_harm_unknown", "squares", "unknown", "harm unknown"),
    )
    marks = []
    for verdict, kind, tone, legend in kinds:
        meant = [r is not None and r.verdict.verdict == verdict for r in time.reports]
        if path := chart.dots(time.middle, y.up(np.where(meant, values, np.nan))):
            marks.append(Mark(kind, tone, path, legend))
    return marks


def _intervals(time: _Time, y: Scale, band: _Band, tone: chart.Tone) -> Mark:
    if len(time.ordered) > DENSE:
        path = chart.area(time.left, time.right, y.up(band.low), y.up(band.high))
        return Mark("area", tone, path)
    return Mark("thin", tone, chart.bars(time.middle, y.up(band.low), y.up(band.high)))


def _label(report: Report) -> str:
    hourly = report.data_interval.is_hourly
    return f"{report.data_interval.start:%d %b %Hh}" if hourly else report.interval


def _bounds(estimated: EstimatedAccuracy) -> Estimate:
    bounds = estimated.bounds
    return Estimate(estimate=estimated.current.estimate, low=bounds.low, high=bounds.high)


def _value(found: Rate | Estimate) -> float:
    return found.rate if isinstance(found, Rate) else found.estimate


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
