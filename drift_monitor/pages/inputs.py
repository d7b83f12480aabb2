"""Which input moved: in one sentence, as a ranked table, and as small distribution functions."""

from typing import NamedTuple

import numpy as np

from drift_monitor.formatting import fixed, percent, significant
from drift_monitor.pages import chart
from drift_monitor.pages.chart import Chart, Floats, Mark, Scale, Tick
from drift_monitor.results.report_findings import InputCurves, InputFindings, InputTest, MovedBy

INPUTS_SHOWN = 20
LOGARITHMIC_FROM = 300
"""Ratio of the largest to the smallest value, both positive, from which the axis is logarithmic."""

WORDS: dict[MovedBy, str] = {
    "distribution": "distribution",
    "outside": "range",
    "unseen": "new values",
    "missing": "missing values",
}


class MovedInputs(NamedTuple):
    """What the section shows: a sentence, inputs, how many are left out, and charts."""

    headline: str
    tests: list[InputTest]
    others: int
    has_unseen: bool
    has_missing: bool
    charts: list[Chart]


def summarise(inputs: InputFindings | None) -> MovedInputs | None:
    """Return what a page says of inputs; None for a report that does not know of them."""
    if inputs is None:
        return None
    shown = inputs.tests[:INPUTS_SHOWN]
    return MovedInputs(
        headline=headline(inputs),
        tests=shown,
        others=len(inputs.tests) - len(shown),
        has_unseen=any(test.unseen for test in shown),
        has_missing=any(test.missing for test in shown),
        charts=[_chart(test, test.curves) for test in inputs.moved if test.curves],
    )


def headline(inputs: InputFindings) -> str:
    """Return in one sentence which input moved most."""
    if inputs.skipped:
        return f"Inputs were not tested: {inputs.skipped}."
    moved, n = inputs.moved, len(inputs.tests)
    word = "input" if inputs.of == "columns" else "image descriptor"
    if not moved:
        return f"No {word} moved beyond chance by as much as matters ({n:,} tested)."
    others = f"; {len(moved):,} of {n:,} {word}s moved" if len(moved) > 1 else ""
    return f"{name_of(moved[0], inputs)} moved most ({what_moved(moved[0])}){others}."


def name_of(test: InputTest, inputs: InputFindings) -> str:
    """Return what an input is called: a column by its own name, a descriptor in words."""
    return test.name.replace("_", " ") if inputs.of == "descriptors" else test.name


def what_moved(test: InputTest) -> str:
    """Return in a few words how an input moved."""
    parts = []
    if test.drift_detected:
        parts.append(f"{_effect(test)} = {fixed(test.effect)}")
    # Whatever lies outside the range is also a value that the reference lacks.
    outside = test.outside.current if test.outside and "outside" in test.moved_by else 0.0
    if test.outside and outside:
        parts.append(f"{percent(outside)} of rows outside the reference's range")
    if test.unseen and "unseen" in test.moved_by and test.unseen.current > outside:
        parts.append(
            f"{percent(test.unseen.current)} of rows with a value that the reference lacks"
        )
    if test.missing and "missing" in test.moved_by:
        parts.append(f"{percent(test.missing.current)} of rows without a value")
    if test.constant and test.reference_low != test.reference_high:
        parts.append("one value only")
    return ", ".join(parts)


def _effect(test: InputTest) -> str:
    return "D" if test.kind == "ks" else "total variation"


def _chart(test: InputTest, curves: InputCurves) -> Chart:
    values, reference, current = (
        np.asarray(side, np.float64) for side in (curves.values, curves.reference, curves.current)
    )
    x, y = _scale(values), Scale(0, 1)
    steps = test.kind == "chi_squared"
    marks = [
        Mark("line", "reference", _path(x.at(values), y.up(reference), steps=steps), "reference"),
        Mark("line", "current", _path(x.at(values), y.up(current), steps=steps), "batch"),
    ]
    if test.location is not None:
        at = int(np.argmin(np.abs(values - test.location)))
        ends = y.up(reference[[at]]), y.up(current[[at]])
        marks.append(Mark("bold", "alarm", chart.bars(x.at(values[[at]]), *ends)))
    return Chart(
        title=test.name,
        unit=f"{_effect(test)} = {fixed(test.effect)}",
        description=f"Reference from {significant(test.reference_low)} to "
        f"{significant(test.reference_high)}, batch from {significant(test.current_low)} to "
        f"{significant(test.current_high)}: {what_moved(test)}.",
        x_ticks=[
            Tick(0, significant(float(values[0]))),
            Tick(chart.SIZE, significant(float(values[-1]))),
        ],
        y_ticks=y.ticks("{:.0%}".format)[::2],
        marks=marks,
    )


def _scale(values: Floats) -> Scale:
    low, high = float(values[0]), float(values[-1])
    if low == high:
        return Scale(low - 0.5, high + 0.5)
    return Scale(low, high, logarithmic=low > 0 and high > LOGARITHMIC_FROM * low)


def _path(across: Floats, up: Floats, *, steps: bool) -> str:
    """Draw a distribution function from 0 at the left edge to 1 at the right."""
    if steps:
        across, up = np.repeat(across, 2), np.repeat(up, 2)
        up = np.concatenate([[float(chart.SIZE)], up[:-1]])
    ends = float(chart.SIZE)
    return chart.line(
        np.concatenate([[0.0], across[:1], across, [ends]]),
        np.concatenate([[ends, ends], up, [0.0]]),
    )
