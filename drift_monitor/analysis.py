"""From score tables to findings: split, harm rates, tests, break-downs. No files, no TensorFlow."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.config import Policy, Split
from drift_monitor.errors import ConfigError
from drift_monitor.harm import (
    HARMFUL,
    HARMLESS,
    LEFT_OUT,
    Classes,
    Outcomes,
    harm_rate,
    rate_difference,
    split_by_detector,
    split_by_labels,
    split_paired,
)
from drift_monitor.ks import holm, ks_test, minimum_detectable_d
from drift_monitor.report.model import Breakdown, Correction, Harm, HarmRate, KSTest
from drift_monitor.scoring import segment_column

DEFINITIONS: dict[Split, str] = {
    "labels": "harmful where the prediction differs from the label",
    "paired": "harmful where the prediction turned from correct on the clean twin to incorrect",
    "detector": "harmful where the row is flagged and its corrected class is another",
}


@dataclass(frozen=True)
class Findings:
    """What a batch shows against its reference.

    Attributes
    ----------
    outcome : (n,) int8
        Outcome of each scored row.
    n_labelled : int
        Scored rows with a label.
    harm, tests, localisation, corrections
        As in `report.json`.
    """

    outcome: Outcomes
    n_labelled: int
    harm: Harm
    tests: list[KSTest]
    localisation: list[Breakdown]
    corrections: list[Correction]


def analyse(
    current: pa.Table,
    reference: pa.Table,
    class_names: Sequence[str],
    segments: Sequence[str],
    policy: Policy,
) -> Findings:
    """Compare a batch's score table with the reference window's.

    Parameters
    ----------
    current, reference : pyarrow.Table
        Score tables (columns in `drift_monitor.scoring.score_chunk`).
    class_names : sequence of str
        The detector's classes.
    segments : sequence of str
        Segment columns to break down by.
    policy : Policy
        Split, α, minimum effect, margin.

    Raises
    ------
    ConfigError
        If the policy demands a split for which the columns are missing.
    """
    split = _choose_split(current, reference, policy)
    outcome = _outcome(current, split, class_names)
    reference_outcome = _outcome(reference, split, class_names, is_reference=True)
    sides = (current, reference, outcome, reference_outcome)
    return Findings(
        outcome=outcome,
        n_labelled=_n_valid(current, "label"),
        harm=_harm(outcome, reference_outcome, split, policy),
        tests=_tests(*sides, split, policy),
        localisation=[
            *_break_down("prediction", "prediction", *sides, policy),
            *(p for s in segments for p in _break_down(s, segment_column(s), *sides, policy)),
        ],
        corrections=_corrections(current),
    )


def _choose_split(current: pa.Table, reference: pa.Table, policy: Policy) -> Split:
    labelled = _n_valid(current, "label")
    paired = min(labelled, _n_valid(current, "clean_prediction"))
    labelled_reference = _n_valid(reference, "label")
    if policy.split == "auto":
        if paired >= policy.min_rows:
            return "paired"
        return "labels" if labelled >= policy.min_rows and labelled_reference else "detector"
    if policy.split == "labels" and not labelled_reference:
        raise ConfigError(
            "policy.split is 'labels', but the detector's reference window holds no labels: fit "
            "the detector with --label, or set policy.split to 'auto'"
        )
    if policy.split == "paired" and "clean_prediction" not in current.column_names:
        raise ConfigError(
            "policy.split is 'paired', but no clean predictions are given: name their column in "
            "data.clean_prediction, or set policy.split to 'auto'"
        )
    return policy.split


def _outcome(
    table: pa.Table, split: Split, class_names: Sequence[str], *, is_reference: bool = False
) -> Outcomes:
    def classes(name: str) -> Classes:
        if name not in table.column_names:
            return np.full(len(table), -1)
        indices = pc.index_in(table[name].cast(pa.string()), pa.array(class_names, pa.string()))
        return np.asarray(pc.fill_null(indices, -1), np.int64)

    own = classes("prediction")
    match split:
        case "detector":
            flagged = np.asarray(table["flagged"])
            return split_by_detector(flagged, own, classes("corrected_prediction"))
        case "labels":
            # What was served counts; where it was not logged, what the classifier says now.
            logged = classes("logged_prediction")
            return split_by_labels(np.where(logged >= 0, logged, own), classes("label"))
        case "paired" if is_reference:
            # A reference row is its own clean twin, so its prediction is unchanged.
            return np.full(len(table), HARMLESS, np.int8)
        case "paired":
            return split_paired(own, classes("label"), classes("clean_prediction"))


def _harm(outcome: Outcomes, reference_outcome: Outcomes, split: Split, policy: Policy) -> Harm:
    current = harm_rate(outcome, policy.alpha)
    reference = harm_rate(reference_outcome, policy.alpha)
    difference = rate_difference(current, reference) if current and reference else None
    return Harm.model_validate(
        {
            "split": split,
            "definition": DEFINITIONS[split],
            "margin": policy.harm_margin,
            "confidence": 1 - policy.alpha,
            "left_out": int(np.count_nonzero(outcome == LEFT_OUT)),
            "current": current and current._asdict(),
            "reference": reference and reference._asdict(),
            "difference": difference and difference._asdict(),
        }
    )


def _tests(
    current: pa.Table,
    reference: pa.Table,
    outcome: Outcomes,
    reference_outcome: Outcomes,
    split: Split,
    policy: Policy,
) -> list[KSTest]:
    x = np.asarray(current["adversarial_score"])
    r = np.asarray(reference["adversarial_score"])
    harmful, harmless = x[outcome == HARMFUL], x[outcome == HARMLESS]
    samples = [
        ("score", "all rows, reference against batch", True, r, x),
        (
            "score_harmful",
            "harmful rows, reference against batch",
            True,
            r[reference_outcome == HARMFUL],
            harmful,
        ),
        (
            "score_harmless",
            "harmless rows, reference against batch",
            True,
            r[reference_outcome == HARMLESS],
            harmless,
        ),
    ]
    # A set that was split by the score differs in it by construction, so `detector` has no such
    # test; and it says how well the score tells harm, not that anything drifted.
    if split != "detector":
        samples.append(
            ("separation", "harmless against harmful rows of the batch", False, harmless, harmful)
        )

    family = [(name, a, b) for name, _, counts, a, b in samples if counts and len(a) and len(b)]
    results = {
        name: ks_test(a, b, policy.alpha) for name, _, _, a, b in samples if len(a) and len(b)
    }
    adjusted = dict(
        zip(
            [name for name, _, _ in family],
            holm([results[name].p_value for name, _, _ in family]),
            strict=True,
        )
    )
    tests = []
    for name, compares, counts, a, b in samples:
        result = results.get(name)
        level = policy.alpha / max(1, len(family)) if counts else policy.alpha
        p_adjusted = adjusted.get(name)
        tests.append(
            KSTest.model_validate(
                {
                    "name": name,
                    "compares": compares,
                    "in_family": counts,
                    "skipped": None if result else "one of the two samples is empty",
                    "statistic": result and result.statistic,
                    "low": result and result.low,
                    "high": result and result.high,
                    "location": result and result.location,
                    "p_value": result and result.p_value,
                    "p_value_adjusted": p_adjusted,
                    "method": result and result.method,
                    "n_reference": len(a),
                    "n_current": len(b),
                    "minimum_detectable": (
                        minimum_detectable_d(len(a), len(b), level) if result else None
                    ),
                    "threshold": policy.min_effect,
                    "drift_detected": (
                        result is not None
                        and p_adjusted is not None
                        and p_adjusted < policy.alpha
                        and result.statistic >= policy.min_effect
                    ),
                }
            )
        )
    return tests


def _break_down(
    by: str,
    column: str,
    current: pa.Table,
    reference: pa.Table,
    outcome: Outcomes,
    reference_outcome: Outcomes,
    policy: Policy,
) -> list[Breakdown]:
    """Return one part per value of a column, in the order of the values' names."""
    values = _strings(current, column)
    has_reference = column in reference.column_names
    reference_values = _strings(reference, column) if has_reference else np.array([], object)
    parts = []
    for value in sorted({*values, *reference_values}):
        rows, reference_rows = values == value, reference_values == value
        rate = harm_rate(outcome[rows], policy.alpha)
        n_reference = int(np.count_nonzero(reference_rows))
        reference_rate = (
            harm_rate(reference_outcome[reference_rows], policy.alpha) if n_reference else None
        )
        n = int(np.count_nonzero(rows))
        parts.append(
            Breakdown(
                by=by,
                value=value,
                n_current=n,
                n_reference=n_reference,
                share_current=n / max(1, len(values)),
                share_reference=n_reference / len(reference_values) if has_reference else None,
                current=HarmRate(**rate._asdict()) if rate else None,
                reference=HarmRate(**reference_rate._asdict()) if reference_rate else None,
            )
        )
    return parts


def _corrections(current: pa.Table) -> list[Correction]:
    flagged = current.filter(current["flagged"])
    pairs = Counter(
        zip(
            flagged["prediction"].to_pylist(),
            flagged["corrected_prediction"].to_pylist(),
            strict=True,
        )
    )
    return [
        Correction(prediction=before, corrected_prediction=after, n=n)
        for (before, after), n in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        if before != after
    ]


def _strings(table: pa.Table, column: str) -> NDArray[np.object_]:
    return np.asarray(table[column].cast(pa.string()).fill_null("(missing)").to_pylist(), object)


def _n_valid(table: pa.Table, column: str) -> int:
    if column not in table.column_names:
        return 0
    return len(table) - int(table[column].null_count)
