"""Recall and precision without labels, against what is counted by hand."""

import numpy as np
import pytest

from drift_monitor.analysis.accuracy import Unlabelled
from drift_monitor.analysis.class_accuracy import class_accuracy, class_shares
from drift_monitor.results.report_findings import BoundedShare, ClassShares, Support
from tests.support.analysis.verdicts import explanation

NAMES = ("sound", "fraud")


def shares(fraud: float, found: float, false_alarms: float, rows: int = 1000) -> list[ClassShares]:
    """So many rows are fraud; a share of it is found, and a share of the others taken for it."""
    label = (np.arange(rows) < fraud * rows).astype(np.int64)
    prediction = np.zeros(rows, np.int64)
    prediction[: round(found * fraud * rows)] = 1
    n_sound = rows - int(label.sum())
    prediction[rows - round(false_alarms * n_sound) :] = 1
    return class_shares(label, prediction, np.full(rows, 1 / rows), NAMES)


def seen(
    *classes: list[ClassShares], unexplained: float = 0.0, rejected: float = 0.0
) -> Unlabelled:
    likely = [
        explanation(unexplained=unexplained).model_copy(update={"classes": one}) for one in classes
    ]
    found = Support(
        explanation=likely[0], alternatives=likely[1:], normal_classes=shares(0.1, 0.9, 0.01)
    )
    return Unlabelled(found, 0.0, rejected)


def recall(rows: Unlabelled) -> BoundedShare:
    found = class_accuracy(rows, 0.05)[1]
    assert found.name == "fraud"
    assert found.recall is not None
    return found.recall


def test_weighted_rows_are_counted_by_class() -> None:
    label, prediction = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])
    sound, fraud = class_shares(label, prediction, np.array([0.1, 0.2, 0.3, 0.4]), NAMES)
    assert (sound.true, sound.predicted, sound.right) == pytest.approx((0.3, 0.5, 0.1))
    assert (fraud.true, fraud.predicted, fraud.right) == pytest.approx((0.7, 0.5, 0.3))
    assert fraud.rows_true == pytest.approx(0.49 / 0.25)


def test_recall_may_fall_where_accuracy_does_not() -> None:
    found = class_accuracy(seen(shares(0.1, 0.2, 0.0)), 0.05)
    sound, fraud = found
    assert fraud.recall is not None
    assert fraud.precision is not None
    assert sound.recall is not None
    assert fraud.recall.estimate == pytest.approx(0.2)
    assert fraud.recall.reference == pytest.approx(0.9)
    assert fraud.recall.high < 0.6
    assert fraud.precision.estimate == pytest.approx(1.0)
    assert sound.recall.low > 0.98


def test_unknown_rows_may_be_of_the_class_and_all_wrong_or_all_right() -> None:
    known, unknown = recall(seen(shares(0.1, 0.9, 0.01))), 0.2
    found = recall(seen(shares(0.1, 0.9, 0.01), rejected=unknown))
    of_class = (1 - unknown) * 0.1
    assert found.low == pytest.approx(known.low * of_class / (of_class + unknown))
    assert found.high == pytest.approx((known.high * of_class + unknown) / (of_class + unknown))
    assert found.estimate == known.estimate


def test_what_the_batch_may_be_as_well_widens_the_bounds() -> None:
    one, other = shares(0.1, 0.9, 0.01), shares(0.1, 0.4, 0.01)
    both = recall(seen(one, other))
    assert both.low == recall(seen(other)).low
    assert both.high == recall(seen(one)).high


def test_nothing_is_said_of_a_class_with_too_few_rows_or_without_support() -> None:
    found = class_accuracy(seen(shares(0.005, 1.0, 0.0)), 0.05)[1]
    assert found.recall is None
    assert found.precision is None
    assert class_accuracy(None, 0.05) == []
    assert class_accuracy(Unlabelled(Support(missing="no sample"), 0.0, 0.0), 0.05) == []
