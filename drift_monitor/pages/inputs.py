"""Which input moved, in words."""

from drift_monitor.formatting import fixed, percent
from drift_monitor.results.report_findings import InputFindings, InputTest


def headline(inputs: InputFindings) -> str:
    """Return in one sentence which input moved most."""
    if inputs.skipped:
        return f"Inputs were not tested: {inputs.skipped}."
    moved, n = inputs.moved, len(inputs.tests)
    word = "input" if inputs.of == "columns" else "image descriptor"
    if not moved:
        return f"No {word} moved beyond chance by as much as matters ({n:,} tested)."
    others = f"; {len(moved):,} of {n:,} {word}s moved" if len(moved) > 1 else ""
    return f"{moved[0].name} moved most ({what_moved(moved[0])}){others}."


def what_moved(test: InputTest) -> str:
    """Return in a few words how an input moved."""
    parts = []
    if test.effect is not None:
        parts.append(f"{'D' if test.kind == 'ks' else 'total variation'} = {fixed(test.effect)}")
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
