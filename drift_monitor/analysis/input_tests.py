"""Which input moved: every column, or descriptor of images, tested against the reference."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from drift_monitor.analysis.drift_tests import (
    FAMILY_SHARE,
    ONE_CATEGORY,
    unmade_test,
)
from drift_monitor.config import Policy
from drift_monitor.results.report_findings import (
    InputCurves,
    InputFindings,
    InputShare,
    InputTest,
    MovedBy,
)
from drift_monitor.scoring.input_columns import input_names
from drift_monitor.scoring.input_summary import (
    ColumnSummary,
    InputSummary,
    ReferenceColumn,
)
from drift_monitor.stats.chi_squared import chi_squared_test, minimum_detectable_variation
from drift_monitor.stats.exceedance import outside_range_p_value
from drift_monitor.stats.ks import ks_test_from_counts, minimum_detectable_d
from drift_monitor.stats.multiple_testing import holm
from drift_monitor.stats.proportions import rise_of_counts

FEW_VALUES = 20
"""Up to so many distinct values in the reference are categories."""
EXACT_PATHS = 1_000_000_000
"""Exact p-values while rows of the reference times rows of the batch times inputs are no more."""
CURVES = 5
"""Inputs whose distribution functions a report keeps: those that moved most."""
CURVE_POINTS = 50

NO_REFERENCE = (
    "the detector's bundle holds no reference inputs, because an older version made it; renew its "
    "reference with 'drift-monitor reference'"
)
NO_COLUMNS = "rows of shape {shape} are neither columns nor images of 1 or 3 channels"

Shares = NDArray[np.float64]


def find_moved_inputs(
    summary: InputSummary | None, spec: InputSpec, policy: Policy
) -> InputFindings:
    """Compare the inputs of a batch with those of the detector's own reference window.

    Each input has one test of its distribution: two-sample KS, or chi-squared where the reference
    has few distinct values. Beside it stand exact one-sided tests of the shares of rows outside the
    reference's range, with a value that the reference lacks, and without a value.

    Parameters
    ----------
    summary : InputSummary, optional
        The batch's inputs; None where the detector has no reference inputs.
    spec : InputSpec
        What a row is.
    policy : Policy
        α, minimum effect, margin.
    """
    of: Literal["columns", "descriptors"] = "columns" if len(spec.shape) == 1 else "descriptors"
    if summary is None:
        skipped = NO_REFERENCE if input_names(spec) else NO_COLUMNS.format(shape=spec.shape)
        return InputFindings(of=of, skipped=skipped, tests=[])
    if not summary.n:
        return InputFindings(of=of, skipped="no row was scored", tests=[])
    findings = InputFindings(of=of, skipped=None, tests=list(_tests(summary, policy)))
    findings = adjust_inputs(findings, policy)
    position = {name: at for at, name in enumerate(summary.reference.names)}
    for test in findings.tests[:CURVES]:
        at = position[test.name]
        reference = summary.reference.columns[at]
        test.curves = _curves(test, reference, summary.columns[at], summary.n)
    return findings


def adjust_inputs(findings: InputFindings, policy: Policy) -> InputFindings:
    """Return the findings with p adjusted over them all and judged by a policy, ranked.

    p is adjusted by Holm over every test of every input, and multiplied by four, because half of α
    is for harm and a quarter for the tests on scores and outputs.
    """
    tests = [test.model_copy(deep=True) for test in findings.tests]
    made: list[InputTest | InputShare] = []
    for test in tests:
        made += [test] if test.p_value is not None else []
        made += [share for share in (test.outside, test.unseen, test.missing) if share]
    adjusted = holm([tested.p_value for tested in made if tested.p_value is not None])
    for tested, p_value in zip(made, adjusted, strict=True):
        tested.p_value_adjusted = min(1.0, p_value / FAMILY_SHARE)
    level = FAMILY_SHARE * policy.alpha / max(1, len(made))
    for test in tests:
        test.threshold = policy.min_effect
        test.minimum_detectable = _detectable(test, level)
        test.moved_by = list(_moved_by(test, policy))
        test.drift_detected = "distribution" in test.moved_by
    tests.sort(key=lambda test: (not test.moved_by, -test.change, test.name))
    return findings.model_copy(update={"tests": tests})


def _moved_by(test: InputTest, policy: Policy) -> Iterator[MovedBy]:
    if (
        test.p_value_adjusted is not None
        and test.p_value_adjusted < policy.alpha
        and (test.effect or 0) >= policy.min_effect
    ):
        yield "distribution"
    shares: Sequence[tuple[MovedBy, InputShare | None]] = (
        ("outside", test.outside),
        ("unseen", test.unseen),
        ("missing", test.missing),
    )
    for name, share in shares:
        if (
            share
            and share.p_value_adjusted is not None
            and share.p_value_adjusted < policy.alpha
            and share.current - share.reference >= policy.harm_margin
        ):
            yield name


def _detectable(test: InputTest, level: float) -> float | None:
    n, m = test.n_reference, test.n_current
    if test.p_value is None:
        return None
    if test.kind == "ks":
        return minimum_detectable_d(n, m, level)
    return minimum_detectable_variation(n, m, test.degrees_of_freedom or 1, level)


def _tests(summary: InputSummary, policy: Policy) -> Iterator[InputTest]:
    reference = summary.reference
    n, m = reference.n, summary.n
    exact = n * m * len(reference.names) <= EXACT_PATHS
    for at, (name, known, counted) in enumerate(
        zip(reference.names, reference.columns, summary.columns, strict=True)
    ):
        few = len(known.distinct) <= FEW_VALUES
        kind: Literal["ks", "chi_squared"] = "chi_squared" if few else "ks"
        base = unmade_test(name, kind, name, (n, m), policy)
        test = InputTest(
            **base.model_dump(),
            reference_low=float(known.distinct[0]),
            reference_high=float(known.distinct[-1]),
            current_low=float(counted.low),
            current_high=float(counted.high),
            constant=bool(counted.low == counted.high),
            outside=_outside(counted, n, m),
            unseen=_unseen(known, counted, n, m),
            missing=_missing(summary, at),
            moved_by=[],
            curves=None,
        )
        if few:
            _compare_mixes(test, known, counted, policy)
        else:
            _compare_distributions(test, known, counted, policy, exact=exact)
        yield test


def _compare_distributions(
    test: InputTest,
    known: ReferenceColumn,
    counted: ColumnSummary,
    policy: Policy,
    *,
    exact: bool,
) -> None:
    n, m = test.n_reference, test.n_current
    place = distance_between(known, counted, n, m)
    result = ks_test_from_counts(
        (place.reference, place.current), (n, m), place.location, policy.alpha, exact=exact
    )
    test.statistic = test.effect = result.statistic
    test.low, test.high = result.low, result.high
    test.location = result.location
    test.p_value, test.p_value_is_bound = result.p_value, result.p_value_is_bound
    test.method = result.method


class Place(NamedTuple):
    """Where D is reached, and the rows of either side at or below."""

    location: float
    reference: int
    current: int


def distance_between(known: ReferenceColumn, counted: ColumnSummary, n: int, m: int) -> Place:
    """Return where the distance of two empirical distribution functions is greatest.

    The reference's function is greatest against the batch's at one of its own values; the batch's
    is at one of them too, or at the greatest value in a gap between them. Of places at the same
    distance it is the one that `scipy.stats.ks_2samp` names.

    Parameters
    ----------
    known, counted : ReferenceColumn, ColumnSummary
        The two sides.
    n, m : int
        Their rows.
    """
    reference = np.cumsum(known.counts)
    in_gap = np.flatnonzero(np.isfinite(counted.greatest))
    values = np.concatenate([known.distinct, counted.greatest[in_gap]])
    at_reference = np.concatenate([reference, np.append(0, reference)[in_gap]])
    at_current = np.concatenate([counted.at_or_below, np.append(counted.below, m)[in_gap]])
    difference = at_reference / n - at_current / m
    lowest, highest = int(difference.argmin()), int(difference.argmax())
    best = lowest if -difference[lowest] > difference[highest] else highest
    return Place(float(values[best]), int(at_reference[best]), int(at_current[best]))


def _compare_mixes(
    test: InputTest, known: ReferenceColumn, counted: ColumnSummary, policy: Policy
) -> None:
    """Test the mix of the reference's values, and of all others as one."""
    here = counted.at_or_below - counted.below
    others = test.n_current - int(here.sum())
    result = chi_squared_test(np.append(known.counts, 0), np.append(here, others), policy.alpha)
    if result is None:
        same = test.constant and test.reference_low == test.reference_high == test.current_low
        test.skipped = "one value, as in the reference" if same else ONE_CATEGORY
        return
    test.statistic, test.effect = result.statistic, result.effect
    test.low, test.high = result.low, result.high
    test.p_value, test.p_value_is_bound = result.p_value, result.p_value_is_bound
    test.method = "asymptotic"
    test.degrees_of_freedom = result.degrees_of_freedom


def _outside(counted: ColumnSummary, n: int, m: int) -> InputShare:
    outside = int(counted.below[0] + m - counted.at_or_below[-1])
    return InputShare(
        current=outside / m,
        reference=min(1.0, 2 / (n + 1)),
        p_value=outside_range_p_value(outside, m, n),
        p_value_adjusted=None,
    )


def _unseen(known: ReferenceColumn, counted: ColumnSummary, n: int, m: int) -> InputShare | None:
    """Test the rows with a value that one half of the reference lacks, by the other half.

    Whatever the distribution, rows of the batch and of the other half lack it equally often by
    chance. Where values of the first half hardly repeat, a value is new by nature.
    """
    first = (n + 1) // 2
    if 2 * np.count_nonzero(known.in_half) > first or n < 2:
        return None
    lacking = ~known.in_half
    here = counted.at_or_below - counted.below
    unseen = m - int(here.sum())
    other_half = int(known.counts[lacking].sum()), n - first
    return InputShare(
        current=unseen / m,
        reference=other_half[0] / other_half[1],
        p_value=rise_of_counts((unseen + int(here[lacking].sum()), m), other_half),
        p_value_adjusted=None,
    )


def _missing(summary: InputSummary, at: int) -> InputShare | None:
    before = summary.reference.missing
    if before is None or summary.missing is None:
        return None
    current, reference = int(summary.missing[at]), int(before.rows[at])
    return InputShare(
        current=current / summary.n_read,
        reference=reference / before.n_read,
        p_value=rise_of_counts((current, summary.n_read), (reference, before.n_read)),
        p_value_adjusted=None,
    )


def _curves(test: InputTest, known: ReferenceColumn, counted: ColumnSummary, m: int) -> InputCurves:
    """Return both distribution functions at up to 50 values, evenly over the rows of either."""
    k = len(known.distinct)
    in_gap = 1 + np.flatnonzero(np.isfinite(counted.greatest[1:k]))
    outside = sorted((greatest, count) for count, greatest in counted.outside.values())
    ends = np.array([greatest for greatest, _ in outside])
    rows = np.array([count for _, count in outside], np.int64)
    # Rows of the batch up to each end: those outside, and above the range those within it too.
    within = int(counted.at_or_below[-1] - counted.below[0])
    above = ends > known.distinct[-1]
    values = np.concatenate([known.distinct, counted.greatest[in_gap], ends]).astype(np.float64)
    reference = np.cumsum(known.counts) / test.n_reference
    there = np.concatenate([reference, reference[in_gap - 1], above])
    here = np.concatenate(
        [counted.at_or_below, counted.below[in_gap], np.cumsum(rows) + within * above]
    )
    order = np.argsort(values, kind="stable")
    values, there, here = values[order], there[order], here[order] / m
    kept = _evenly(there, here)
    if test.location is not None:
        kept.add(int(np.searchsorted(values, test.location)))
    points = sorted(kept)
    curves = [values[points].tolist(), there[points].tolist(), here[points].tolist()]
    low = float(counted.low)
    # Below the reference, or above it, one point a gap would hide where the batch begins.
    if low not in curves[0] and not known.distinct[0] <= low <= known.distinct[-1]:
        at = int(np.searchsorted(curves[0], low))
        for curve, value in zip(curves, (low, float(low > known.distinct[-1]), 0.0), strict=True):
            curve.insert(at, value)
    return InputCurves(values=curves[0], reference=curves[1], current=curves[2])


def _evenly(*shares: Shares) -> set[int]:
    """Return the first and the last point, and where either function reaches evenly spaced shares.

    At most 48 of them: there is room for where D is reached and where the batch begins.
    """
    n = len(shares[0])
    if n <= CURVE_POINTS - 2:
        return set(range(n))
    levels = np.linspace(0, 1, CURVE_POINTS // 2 - 2)
    levels[0] = 1e-12  # where either begins
    at = [np.minimum(np.searchsorted(side, levels), n - 1) for side in shares]
    return {0, n - 1, *np.concatenate(at).tolist()}
