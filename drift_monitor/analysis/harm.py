"""Harm: which predictions were harmed, how often, and how far that exceeds the reference.

It is judged on one of three bases (see `docs/verdicts.md`), the same for the reference and the
current rows. An outcome is an int8: 1 harmful, 0 harmless, −1 left out.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.evaluation.drift_metrics import split_drift
from drift_monitor.config import HarmBy
from drift_monitor.results.report_findings import Harm
from drift_monitor.scoring.scored_rows import Classes, ScoredRows
from drift_monitor.stats.estimates import Rate
from drift_monitor.stats.proportions import rate, rate_difference, rise_p_value

HARMFUL, HARMLESS, LEFT_OUT = 1, 0, -1

Outcomes = NDArray[np.int8]

_WORDS = pa.array(["harmless", "harmful"])
"""Words for the outcomes 0 and 1 in a score table; left out is null."""

DEFINITIONS: dict[HarmBy, str] = {
    "labels": "harmful where the prediction differs from the label",
    "paired": "harmful where the prediction turned from correct on the clean twin to incorrect",
    "detector": "harmful where the row is flagged and its reconstruction has another class",
}


class JudgedRows(NamedTuple):
    """Scored rows, and the outcome of each, (n,) int8."""

    rows: ScoredRows
    outcome: Outcomes


def judge_rows(rows: ScoredRows, harm_by: HarmBy, *, is_reference: bool = False) -> JudgedRows:
    """Judge rows on a basis; under `paired` a reference row is its own clean twin."""
    match harm_by:
        case "detector":
            outcome = split_by_detector(rows.flagged, rows.prediction, rows.reconstruction)
            outcome[~rows.finite] = LEFT_OUT
        case "labels":
            outcome = split_by_labels(rows.served, rows.label)
        case "paired" if is_reference:
            outcome = np.full(len(rows), HARMLESS, np.int8)
        case "paired":
            outcome = split_paired(rows.prediction, rows.label, rows.clean)
    return JudgedRows(rows, outcome)


def compare_harm(
    current: Outcomes, reference: Outcomes, harm_by: HarmBy, margin: float, alpha: float
) -> Harm:
    """Return the harm rate of a batch against the reference's.

    Parameters
    ----------
    current, reference : (n,), (m,) int8
        Outcomes.
    harm_by : {"labels", "paired", "detector"}
        The basis they were judged on.
    margin : float
        Smallest rise that counts as harm.
    alpha : float
        1 − confidence of the intervals.
    """
    here, there = harm_rate(current, alpha), harm_rate(reference, alpha)
    return Harm(
        by=harm_by,
        definition=DEFINITIONS[harm_by],
        margin=margin,
        confidence=1 - alpha,
        left_out=int(np.count_nonzero(current == LEFT_OUT)),
        current=here,
        reference=there,
        difference=rate_difference(here, there) if here and there else None,
        p_value=rise_p_value(here, there) if here and there else None,
    )


def split_by_labels(prediction: Classes, label: Classes) -> Outcomes:
    """Harmful where the prediction is wrong; rows without a label (−1) are left out.

    Examples
    --------
    >>> split_by_labels(np.array([3, 3, 3]), np.array([3, 7, -1]))
    array([ 0,  1, -1], dtype=int8)
    """
    outcome = np.where(prediction != label, HARMFUL, HARMLESS).astype(np.int8)
    outcome[label < 0] = LEFT_OUT
    return outcome


def split_paired(prediction: Classes, label: Classes, clean_prediction: Classes) -> Outcomes:
    """Split by comparison with the prediction on the clean twin (section 4.4 of the paper).

    Harmful where a correct prediction became incorrect, harmless where the prediction stayed the
    same; every other row is left out.

    Examples
    --------
    >>> split_paired(np.array([1, 2, 2, 1]), np.array([1, 1, 1, 1]), np.array([1, 1, 2, 2]))
    array([ 0,  1,  0, -1], dtype=int8)
    """
    harmful, harmless = split_drift(clean_prediction, prediction, label)
    outcome = np.full(len(prediction), LEFT_OUT, np.int8)
    outcome[harmless] = HARMLESS
    outcome[harmful] = HARMFUL
    outcome[(label < 0) | (clean_prediction < 0)] = LEFT_OUT
    return outcome


def split_by_detector(
    flagged: NDArray[np.bool_], prediction: Classes, reconstruction_prediction: Classes
) -> Outcomes:
    """Harmful where the row is flagged and its reconstruction has another class.

    Examples
    --------
    >>> split_by_detector(np.array([True, True, False]), np.array([1, 1, 1]), np.array([2, 1, 1]))
    array([1, 0, 0], dtype=int8)
    """
    harmful = flagged & (prediction != reconstruction_prediction)
    return np.where(harmful, HARMFUL, HARMLESS).astype(np.int8)


def harm_rate(outcome: Outcomes, alpha: float = 0.05) -> Rate | None:
    """Return the share of harmful rows among those not left out, or None if there are none.

    Parameters
    ----------
    outcome : (n,) int8
        Outcomes.
    alpha : float
        1 − confidence of the Wilson score interval.

    Examples
    --------
    >>> harm_rate(np.array([1, 0, 0, -1], np.int8)).rate
    0.3333333333333333
    """
    judged = int(np.count_nonzero(outcome != LEFT_OUT))
    return rate(int(np.count_nonzero(outcome == HARMFUL)), judged, alpha)


def outcome_words(outcome: Outcomes) -> pa.Array:
    """Return outcomes as in a score table: `harmful`, `harmless`, or null where left out.

    Examples
    --------
    >>> outcome_words(np.array([1, 0, -1], np.int8)).to_pylist()
    ['harmful', 'harmless', None]
    """
    return _WORDS.take(pa.array(outcome, mask=outcome == LEFT_OUT))


def read_outcomes(column: pa.ChunkedArray) -> Outcomes:
    """Return the outcomes in a score table's column, (n,) int8."""
    return np.asarray(pc.fill_null(pc.index_in(column, _WORDS), LEFT_OUT), np.int8)
