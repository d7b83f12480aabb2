"""Which figures are beyond their bounds."""

from typing import Any

import pytest

from adversarial.runtimes.guard_figures import GuardFigures


def figures(**changes: Any) -> GuardFigures:
    alike: dict[str, Any] = dict.fromkeys(GuardFigures.model_fields, 0.0)
    return GuardFigures(**alike | {"rows": 200} | changes)


@pytest.mark.parametrize(
    ("changes", "is_beyond"),
    [
        ({}, False),
        ({"largest_score_change": 0.5}, False),
        ({"largest_score_change": 0.51}, True),
        ({"largest_score_change": float("inf")}, True),
        ({"mean_score_change": float("nan")}, True),
        ({"score_distance": 0.05}, False),
        ({"score_distance": 0.055}, True),
        ({"rows": 85, "score_distance": 7 / 85}, False),
        ({"rows": 85, "score_distance": 8 / 85}, True),
        ({"changed_predictions": 1 / 200}, False),
        ({"changed_predictions": 2 / 200}, True),
        ({"rows": 85, "changed_predictions": 0.0118}, False),  # 1 of 85, rounded
        ({"rows": 16, "changed_predictions": 1 / 16}, False),
        ({"rows": 16, "changed_predictions": 2 / 16}, True),
        ({"changed_flags": 0.02}, True),
        ({"changed_reconstruction_predictions": 0.02}, True),
        ({"changed_novel": 0.02}, True),
    ],
)
def test_a_figure_is_beyond_its_bound_or_its_rows(changes: Any, is_beyond: bool) -> None:
    beyond = figures(**changes).beyond()
    assert bool(beyond) == is_beyond, beyond
