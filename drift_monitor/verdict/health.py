"""Whether detector, reference and data are fit for a verdict."""

from collections import Counter
from datetime import datetime

from adversarial.bundle.threshold import false_positive_rate
from drift_monitor.config import DataConfig
from drift_monitor.results.report import Counts, Health, SelfTest
from drift_monitor.scoring.reference_window import ReferenceWindow
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.ks import ks_test
from drift_monitor.verdict.scored_interval import ScoredInterval

REASONS_SHOWN = 3
AGREEMENT_EXPECTED = 0.99
SELF_ALPHA = 0.001
"""Level at which the halves of a reference are said to differ; low, as every report tests again."""

SECONDS_PER_DAY = 24 * 3600


def health(
    scored: ScoredInterval,
    reference: ScoredRows,
    counts: Counts,
    *,
    labels_selected: bool,
) -> Health:
    """Return the state of the detector, its reference and the data, with warnings in words.

    Parameters
    ----------
    scored : ScoredInterval
        The interval.
    reference : ScoredRows
        Rows that it is compared with.
    counts : Counts
        Counts of its rows.
    labels_selected : bool
        Whether its labelled rows are not a random sample.
    """
    window, manifest = scored.window, scored.bundle.manifest
    expected = false_positive_rate(window.own_score, manifest.threshold)
    agreement = None
    if counts.logged and counts.served_otherwise is not None:
        agreement = 1 - counts.served_otherwise / counts.logged
    self_test = _self_test(reference)
    created = manifest.reference_created
    return Health(
        flagged_share_reference=float(reference.flagged.mean()),
        flagged_share_current=counts.flagged / counts.scored if counts.scored else None,
        new_rows_flagged_low=expected.low,
        new_rows_flagged_high=expected.high,
        logged_agreement=agreement,
        rejected_share=counts.rejected / counts.read,
        non_finite_share=counts.non_finite / counts.scored if counts.scored else 0.0,
        reference_age_days=(
            None if created is None or window.intervals else _days(created, scored.interval.start)
        ),
        reference_self=self_test,
        reference_against_fixed=(
            ks_test(window.own_score, reference.score[reference.finite]).statistic
            if window.intervals
            else None
        ),
        warnings=[
            *_agreement_warnings(agreement),
            *_row_warnings(counts, scored.rejected, scored.monitor.data),
            *_label_warnings(counts, labels_selected=labels_selected),
            *_reference_warnings(self_test, window),
        ],
    )


def _self_test(reference: ScoredRows) -> SelfTest | None:
    """Compare the two halves of the reference, in its own order: it may itself drift."""
    score = reference.score[reference.finite]
    middle = len(score) // 2
    if not middle:
        return None
    result = ks_test(score[:middle], score[middle:])
    return SelfTest(statistic=result.statistic, p_value=result.p_value, n=len(score))


def _days(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds() / SECONDS_PER_DAY


def _agreement_warnings(agreement: float | None) -> list[str]:
    if agreement is None or agreement >= AGREEMENT_EXPECTED:
        return []
    return [
        f"The logged prediction matches the detector's classifier on only {agreement:.1%} of rows: "
        "the bundle may not hold the model that is in production, or production may prepare its "
        "input differently."
    ]


def _row_warnings(counts: Counts, rejected: Counter[str], data: DataConfig) -> list[str]:
    warnings = []
    if counts.rejected:
        reasons = "; ".join(f"{why} ({n:,})" for why, n in rejected.most_common(REASONS_SHOWN))
        warnings.append(
            f"{counts.rejected:,} of {counts.read:,} rows could not be scored: {reasons}."
        )
    if counts.non_finite:
        warnings.append(
            f"{counts.non_finite:,} of {counts.scored:,} scored rows have no finite score; they "
            "are left out of tests and estimates."
        )
    if counts.outside_interval:
        warnings.append(
            f"{counts.outside_interval:,} of {counts.scored:,} scored rows have a time outside the "
            f"interval ({data.timestamp}): check data.path, timezone and the job that writes the "
            "batch."
        )
    if counts.without_time:
        warnings.append(
            f"{counts.without_time:,} of {counts.scored:,} scored rows have no time in "
            f"{data.timestamp}, or one that no calendar holds, such as infinity."
        )
    if counts.repeated_ids:
        warnings.append(
            f"{counts.repeated_ids:,} of {counts.scored:,} scored rows have a row id "
            f"({data.row_id}) that an earlier row has: the batch may have been loaded twice, and "
            "labels cannot be joined to these rows."
        )
    if data.label and counts.scored and not counts.labelled:
        warnings.append(
            f"No row has a label in column {data.label!r} (data.label), so harm is judged "
            "without them."
        )
    return warnings


def _label_warnings(counts: Counts, *, labels_selected: bool) -> list[str]:
    if not 0 < counts.labelled < counts.scored:
        return []
    share = f"{counts.labelled:,} of {counts.scored:,} rows have a label"
    if labels_selected:
        return [
            f"{share}, and their scores differ from the others': they are not a random sample, and "
            "realised accuracy is that of those rows only. Unless policy.harm_by is 'labels', harm "
            "is not judged by them; label rows drawn at random (drift-monitor rows --random)."
        ]
    return [f"{share}: what the labels say holds only if those rows were drawn at random."]


def _reference_warnings(self_test: SelfTest | None, window: ReferenceWindow) -> list[str]:
    warnings = []
    if self_test and self_test.p_value < SELF_ALPHA:
        warnings.append(
            f"The two halves of the reference differ from each other (D = "
            f"{self_test.statistic:.3f}): it does not sample a single state; renew it with "
            "shuffled rows, or with rows from one period."
        )
    if window.note:
        warnings.append(f"The reference is {window.note}.")
    return warnings
