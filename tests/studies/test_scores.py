import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STUDIES = Path("studies").resolve()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(STUDIES)
    return runpy.run_path(str(STUDIES / "scores.py"))


def rows(sure: Any, agreement: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return M(x), whose first class has the probability `sure`, and M(AE(x)) with another."""
    p = np.stack([sure, 1 - np.asarray(sure)], axis=1)
    q = np.stack([agreement, 1 - np.asarray(agreement)], axis=1)
    return p, q[:, None]


def test_a_score_is_compared_with_the_papers_on_the_same_images(scripts: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    n = 1000

    def normal() -> Any:
        # Unsure predictions are always reproduced badly, sure ones always well.
        unsure = rng.random(n) < 0.5
        sure = np.where(unsure, 0.6, 0.99) + rng.uniform(0, 0.005, n)
        q = np.where(unsure, 0.25, 0.985) + rng.uniform(0, 0.005, n)
        return scripts["Outputs"](*rows(sure, q))

    # All of these look sure, and are reproduced less well than sure rows ever are.
    attacked = scripts["Outputs"](*rows(np.full(n, 0.99), np.full(n, 0.9)))
    y = np.zeros(n, np.int64)
    found = {row["score"]: row for row in scripts["compare"](normal(), normal(), attacked, y)}
    assert found["S"]["flagged"] == 0
    assert found["S"]["gain"] == found["S"]["gain_low"] == found["S"]["gain_high"] == 0
    by_confidence = found["S, by class and confidence"]
    assert by_confidence["flagged"] == 1
    assert by_confidence["auc"] > 0.9 > found["S"]["auc"]
    assert 0.02 < by_confidence["false_positive_rate"] < 0.09


def test_only_what_is_flagged_is_corrected(scripts: dict[str, Any]) -> None:
    outputs = scripts["Outputs"]
    normal = outputs(*rows(np.linspace(0.9, 0.99, 200), np.linspace(0.9, 0.99, 200) - 0.01))
    # M errs on all; M(AE(x)) is right, and far from M(x) on the first half.
    attacked = outputs(*rows(np.full(10, 0.9), np.repeat([0.1, 0.893], 5)))
    first = scripts["compare"](normal, normal, attacked, np.ones(10, np.int64))[0]
    assert first["flagged"] == first["kept"] == 0.5


@pytest.mark.usefixtures("scripts")
def test_drift_is_judged_by_the_rows_it_harms_and_by_batches() -> None:
    from drifted_scores import Cell, compare

    from adversarial.runtimes.runtime import Outputs

    rng = np.random.default_rng(0)

    def outputs(n: int, share: float) -> Outputs:
        q = np.where(rng.random(n) < share, 0.1, 0.9) + rng.uniform(0, 0.05, n)
        return Outputs(*(each.astype(np.float32) for each in rows(np.full(n, 0.95), q)))

    harmful = np.arange(400) < 200
    # Every row that is harmed is reproduced badly, and of the others one in ten.
    drifted = outputs(400, 0.1)
    q = drifted.reconstruction_probabilities.copy()
    q[harmful] = [0.1, 0.9]
    drifted = drifted._replace(reconstruction_probabilities=q)
    cells = [
        Cell(0, 0.0, outputs(400, 0.03), ~harmful & harmful, ~harmful & harmful),
        *(Cell(severity, 0.5, drifted, harmful, ~harmful) for severity in (1, 2, 3, 4, 5)),
    ]
    scores = {
        "S": lambda o: o.scores()[:, 0],
        "none": lambda o: 1 + rng.random(len(o.probabilities)),
    }
    found = compare(scores, outputs(2000, 0.03), cells)
    severity = {row["score"]: row for row in found["severity"] if row["severity"] == 1}
    assert severity["S"]["auc"] > 0.9
    assert severity["S"]["ratio"]["value"] > 3
    assert severity["S"]["gain"] == 0
    assert severity["none"]["auc"] == pytest.approx(0.5, abs=0.05)
    assert severity["none"]["gain_high"] < -0.3
    batches = {(row["score"], row["kind"]): row for row in found["batches"]}
    assert batches["S", "harmful"]["flagged"] == batches["S", "harmful"]["moved"] == 1
    assert batches["S", "no drift"]["flagged"] < 0.3
    assert batches["S", "harmless"]["cells"] == 0
    assert batches["S", "harmless"]["moved"] is None
