"""A candidate against the current detector, on rows made up for each case."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from drift_monitor.detectors.candidate import Comparison, Measure, compare, describe, measure

N = 1_000
PLACE = {"attack": "ddn", "threat_model": "grey-box", "target": None, "corruption": None}
UNDER_ATTACK = {"attack": "ddn", "threat_model": "grey-box"}


def make_rows(
    defence: str,
    *,
    n: int = N,
    error: float = 0.1,
    missed: float = 0.1,
    seed: int = 0,
    severity: int | None = None,
    **place: Any,
) -> pa.Table:
    """Return rows of two classes: wrong without an attack, and under it not caught, at the rates.

    Scores of originals are below 1 and those of attacked rows above, but where they are missed.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    wrong, is_missed = rng.random(n) < error, rng.random(n) < missed
    score = rng.random(n)
    columns = {
        "defence": [defence] * n,
        "severity": pa.array([severity] * n, pa.int64()),
        "row": np.arange(n),
        "label": label,
        "prediction_clean": np.where(wrong, 1 - label, label),
        "prediction": 1 - label,
        "reconstruction_prediction_clean": label,
        "reconstruction_prediction": label,
        "score_clean": score,
        "score": np.where(is_missed, score, score + 1),
    }
    named = {name: pa.array([value] * n, pa.string()) for name, value in (PLACE | place).items()}
    return pa.table(columns | named)


def against(candidate: dict[str, Any], threshold: float = 1.0, **options: Any) -> Comparison:
    n = candidate.get("n", N)
    return compare(
        measure(make_rows("current", n=n), "current", 1.0),
        measure(make_rows("candidate", **candidate), "candidate", threshold),
        **options,
    )


def test_each_measure_is_what_its_name_says() -> None:
    rows = pa.table(
        {
            "row": [0, 1, 2, 3],
            "label": [0, 0, 1, 1],
            "prediction_clean": [0, 1, 1, 1],
            "prediction": [1, 1, 1, 0],
            "reconstruction_prediction_clean": [0, 0, 1, 0],
            "reconstruction_prediction": [0, 0, 0, 1],
            "score_clean": [0.1, 0.7, 0.2, 0.9],
            "score": [0.6, 0.3, 0.8, 0.5],
            "severity": pa.nulls(4, pa.int64()),
            "defence": ["current"] * 4,
        }
        | {name: pa.array([value] * 4, pa.string()) for name, value in PLACE.items()}
    )
    found = measure(rows, "current", 0.5)
    expected = {
        Measure("accuracy_clean"): [1, 0, 1, 1],
        Measure("accuracy_defended_clean"): [1, 1, 1, 0],
        Measure("flagged_clean"): [0, 1, 0, 1],
        Measure("accuracy_defended", **UNDER_ATTACK): [1, 0, 0, 0],
        Measure("undetected_error", **UNDER_ATTACK): [0, 1, 0, 1],
    }
    scores = found.pop(Measure("auc", **UNDER_ATTACK))
    assert {what: np.asarray(values).tolist() for what, values in found.items()} == expected
    assert np.asarray(scores).tolist() == [[0.1, 0.7, 0.2, 0.9], [0.6, 0.3, 0.8, 0.5]]
    assert re.search(r"accuracy_defended +0\.2500$", describe(found), re.MULTILINE)


def test_only_attacks_on_nobody_or_on_oneself_count() -> None:
    own = make_rows("current", threat_model="white-box", target="current", missed=0.4)
    other = make_rows("current", threat_model="white-box", target="candidate", missed=0.9)
    found = measure(pa.concat_tables([other, own]), "current", 1.0)
    lost = found[Measure("undetected_error", "ddn", "white-box")]
    assert np.mean(np.asarray(lost)) == pytest.approx(0.4, abs=0.05)


def test_the_severities_of_a_corruption_are_one_measure_of_each_row() -> None:
    place: dict[str, Any] = {"attack": None, "threat_model": None, "corruption": "fog"}
    missed = [0.1, 0.2, 0.3, 0.4, 0.5]
    parts = [
        make_rows("current", missed=share, severity=severity + 1, **place)
        for severity, share in enumerate(missed)
    ]
    found = measure(pa.concat_tables(parts), "current", 1.0)
    lost = np.asarray(found[Measure("undetected_error", corruption="fog")])
    assert lost.shape == (N,)
    rows = np.random.default_rng(0)
    rows.integers(0, 2, N)
    rows.random(N)
    draw = rows.random(N)
    assert lost.tolist() == [float(np.mean(one < np.array(missed))) for one in draw]
    assert len(np.asarray(found[Measure("flagged_clean")])) == N
    assert Measure("auc", corruption="fog") not in found


def test_a_row_that_is_missing_on_one_side_is_no_comparison() -> None:
    current = measure(make_rows("current"), "current", 1.0)
    candidate = measure(make_rows("candidate", n=N - 1), "candidate", 1.0)
    with pytest.raises(ValueError, match="999"):
        compare(current, candidate)


@pytest.mark.parametrize(
    ("candidate", "options", "verdict"),
    [
        ({}, {}, "equal"),
        ({"missed": 0.0}, {}, "better"),
        ({"missed": 0.25}, {}, "worse"),
        ({"error": 0.2}, {}, "worse"),
        ({"missed": 0.0, "error": 0.2}, {}, "worse"),
        ({"missed": 0.25}, {"margin": 0.4}, "equal"),
        ({"missed": 0.12, "seed": 1}, {"tolerance": 0.001}, "undecided"),
        ({"missed": 0.12, "seed": 1}, {"tolerance": 0.2}, "equal"),
        ({"n": 40}, {"tolerance": 0.01}, "undecided"),
    ],
)
def test_the_verdict_follows_from_the_intervals(
    candidate: dict[str, Any], options: dict[str, Any], verdict: str
) -> None:
    assert against(candidate, **options).verdict == verdict


def test_a_loss_names_its_measure_and_a_fault_in_the_candidates_favour_is_none() -> None:
    found = against({}, threshold=0.9)
    assert found.verdict == "worse"
    assert found.reason == "the candidate is worse in flagged_clean (no attack)"
    [flagged] = [c for c in found.changes if c.measure.metric == "flagged_clean"]
    assert flagged.difference.low > 0
    assert flagged.gain == (-flagged.difference.high, -flagged.difference.low)
    assert against({}, threshold=0.9, margin=0.2).verdict == "equal"
    line = next(line for line in found.describe().splitlines() if "flagged_clean" in line)
    assert line.split()[0] == "worse"
    assert f"{flagged.difference.low:+.4f} to {flagged.difference.high:+.4f}" in line


def test_too_few_rows_say_what_is_detectable_and_how_many_would_do() -> None:
    found = against({"n": 100, "missed": 0.12, "seed": 1})
    assert found.verdict == "undecided"
    assert "100 rows are too few to tell" in found.reason
    needed = int(found.reason.split("about ")[1].split()[0].replace(",", ""))
    assert against({"n": 2 * needed, "missed": 0.1}).verdict == "equal"
    widest = max(c.difference.detectable for c in found.changes if c.measure.metric != "auc")
    assert f"{widest:.4f}" in found.describe()


def test_a_candidate_that_is_no_worse_is_rarely_refused_by_chance() -> None:
    """Both draw from one distribution: of many measures, one alone would be off now and then."""
    verdicts = []
    for seed in range(200):
        current, candidate = (
            pa.concat_tables(
                [make_rows(name, n=300, seed=2 * seed + i, attack=f"a{k}") for k in range(4)]
            )
            for i, name in enumerate(("current", "candidate"))
        )
        found = compare(
            measure(current, "current", 1.0), measure(candidate, "candidate", 1.0), tolerance=1
        )
        verdicts.append(found.verdict)
    assert verdicts.count("worse") <= 10
