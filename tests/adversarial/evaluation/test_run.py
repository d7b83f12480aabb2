"""An evaluation as it is run: what is attacked, what is measured, what is written."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from adversarial import AdversarialDetector
from adversarial.attacks import PGD, Attack
from adversarial.attacks.named import FIXED_EPSILON, make_attack
from adversarial.errors import DriftMonitorError
from adversarial.evaluation.experiment import Experiment
from adversarial.evaluation.run import run_experiment
from adversarial.evaluation.schemas import METRICS, ROWS
from adversarial.evaluation.write import N_IMAGES, RunError
from tests.support.attack_cases import make_rows
from tests.support.evaluation_run import select


@pytest.fixture
def short_pgd(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGD of a few steps, where it matters which attacks are made and not how strong they are."""
    monkeypatch.setitem(FIXED_EPSILON, "pgd-linf-E", lambda epsilon: PGD(epsilon, steps=5))


@pytest.mark.usefixtures("short_pgd")
def test_every_attack_meets_every_defence_and_what_is_shared_is_made_once(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    experiment = Experiment(
        attacks=("fgsm-0.1", "pgd-linf-8/255"),
        threat_models=("grey-box", "undetected"),
        corruptions=("fog",),
    )
    x, y = make_rows(40)
    records = run_experiment(
        experiment, detectors, x, y, tmp_path / "run", about={"dataset": "animals"}
    )

    assert pq.read_table(tmp_path / "run" / "metrics.parquet").schema.equals(METRICS)
    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert stored["metrics"] == pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    assert stored["metrics"] == records
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["n"] == 40
    assert config["dataset"] == "animals"
    assert config["hyper_parameters"]["fgsm-0.1"] == repr(make_attack("fgsm-0.1"))

    made = sorted(p.name for p in (tmp_path / "run" / "attacks").iterdir())
    assert made == [
        "fgsm-0.1-grey-box",
        "fgsm-0.1-undetected-again",
        "fgsm-0.1-undetected-kl",
        "pgd-linf-8_255-grey-box",
        "pgd-linf-8_255-undetected-again",
        "pgd-linf-8_255-undetected-kl",
    ]
    for attack in experiment.attacks:
        of_attack = {"attack": attack, "threat_model": "grey-box"}
        [once] = select(records, metric="accuracy_attacked", **of_attack)
        assert once["defence"] is None
        assert once["n"] == 40
        areas = select(records, metric="auc", **of_attack)
        assert [area["defence"] for area in areas] == ["kl", "again"]
        assert areas[0]["value"] == areas[1]["value"]
        against = select(records, attack=attack, threat_model="undetected", metric="auc")
        assert [(found["target"], found["defence"]) for found in against] == [
            ("kl", "kl"),
            ("kl", "again"),
            ("again", "kl"),
            ("again", "again"),
        ]
    drifted = select(records, corruption="fog", metric="score_clean", defence="kl")
    assert [record["severity"] for record in drifted] == [1, 2, 3, 4, 5]
    assert all(record["attack"] is None for record in drifted)


def test_a_finished_run_is_read_and_one_of_other_settings_refused(
    detectors: dict[str, AdversarialDetector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make_rows(40)
    experiment = Experiment(attacks=("fgsm-0.1",))
    output = tmp_path / "run"
    first = run_experiment(experiment, detectors, x, y, output, about={})
    with monkeypatch.context() as patch:
        patch.setattr(Attack, "generators", lambda *_: pytest.fail("attacked again"))
        assert run_experiment(experiment, detectors, x, y, output, about={}) == first
    with pytest.raises(RunError, match=r"other settings \(seed 0, now 1\): give another --output"):
        run_experiment(Experiment(attacks=("fgsm-0.1",), seed=1), detectors, x, y, output, about={})
    with pytest.raises(RunError, match=r"other settings \(rows '.*', now '.*'\)"):
        run_experiment(experiment, detectors, x[::-1], y[::-1], output, about={})
    unknown = Experiment(attacks=("fgsm-0.1",), threat_models=("undetected-0.000001",))
    with pytest.raises(DriftMonitorError, match="1e-06"):
        run_experiment(unknown, detectors, x, y, tmp_path / "refused", about={})
    assert not (tmp_path / "refused").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(RunError, match="holds no evaluation"):
        run_experiment(experiment, detectors, x, y, tmp_path / "full", about={})
    for damage in ("{", "[]", "3"):
        (output / "config.json").write_text(damage)
        with pytest.raises(RunError, match=r"config.json is damaged .*: remove it"):
            run_experiment(experiment, detectors, x, y, output, about={})
    (output / "config.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Attack, "generators", lambda *_: pytest.fail("attacked again"))
        assert run_experiment(experiment, detectors, x, y, output, about={}) == first
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        run_experiment(experiment, detectors, x, y, tmp_path / "file" / "run", about={})


def test_each_row_is_kept_as_each_defence_saw_it(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(40)
    experiment = Experiment(
        attacks=("fgsm-0.1", "fgsm-0.3"),
        threat_models=("grey-box", "undetected"),
        corruptions=("fog",),
    )
    records = run_experiment(experiment, detectors, x, y, tmp_path, about={})
    rows = pq.read_table(tmp_path / "rows.parquet")
    assert rows.schema.equals(ROWS)
    rows = rows.to_pylist()
    n_cases = 3 * 2 + 3 * 2 * 2 + 5 * 2  # attacks and the strongest; corruptions
    assert len(rows) == n_cases * len(x)
    x_adv = make_attack("fgsm-0.3").run(detectors["kl"].classifier, x, y).x_adv
    seen = select(rows, attack="fgsm-0.3", threat_model="grey-box", defence="kl")
    assert [row["row"] for row in seen] == list(range(len(x)))
    assert [row["label"] for row in seen] == y.tolist()
    found = detectors["kl"].predict(x_adv)
    np.testing.assert_allclose([row["score"] for row in seen], found.score, rtol=1e-6)
    assert [row["prediction"] for row in seen] == found.prediction.tolist()
    assert [row["success"] for row in seen] == (found.prediction != y).tolist()
    assert all(row["success"] is None for row in select(rows, corruption="fog"))

    images = np.load(tmp_path / "images" / "fgsm-0.3-grey-box.npz")
    np.testing.assert_array_equal(images["attacked"], x_adv[:N_IMAGES])
    rebuilt = detectors["kl"].reconstruct(x_adv[:N_IMAGES])
    np.testing.assert_allclose(images["reconstruction-kl"], rebuilt, atol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "images" / "original.npy"), x[:N_IMAGES])
    assert (tmp_path / "images" / "fog-5.npz").exists()
    assert (tmp_path / "images" / "fgsm-0.1-undetected-again.npz").exists()

    # The strongest attack wins wherever one of the attacks does, and "any" wherever any does.
    def success(attack: str) -> np.ndarray:
        found = select(rows, attack=attack, threat_model="undetected", target="kl", defence="kl")
        return np.array([row["success"] for row in found])

    assert (success("strongest") == (success("fgsm-0.1") | success("fgsm-0.3"))).all()
    [worst] = select(
        records, attack="any", defence="kl", metric="undetected_error", fpr=0.05, policy="none"
    )
    lost = {
        row["row"]
        for row in select(rows, defence="kl", corruption=None)
        if row["target"] in (None, "kl") and row["prediction"] != row["label"]
    }
    assert worst["value"] == len(lost) / len(x)


def test_checks_for_gradient_masking_are_reported_by_attack(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(20)
    experiment = Experiment(attacks=("fgsm-0.1", "pgd-linf-0.1"), gradient_masking=True)
    records = run_experiment(experiment, {"kl": detectors["kl"]}, x, y, tmp_path, about={})
    found = {r["metric"]: r for r in records if r["metric"].startswith("gradient_masking")}
    assert len(found) == 8
    assert {record["attack"] for record in found.values()} == {"pgd-linf-0.1"}
    assert found["gradient_masking_unbounded"]["value"] == 1
    assert found["gradient_masking_unbounded_passed"]["value"] == 1


@pytest.mark.usefixtures("short_pgd")
def test_a_selective_attack_is_not_made_again_where_there_is_only_one_criterion(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(20)
    plain, selective = "pgd-linf-0.1", "pgd-linf-0.1-selective"
    for names, expected in (
        ((selective,), {("grey-box", selective), ("uncorrected", selective)}),
        (
            (plain, selective),
            {("grey-box", plain), ("uncorrected", plain), ("uncorrected", selective)},
        ),
    ):
        experiment = Experiment(names, ("grey-box", "uncorrected"), gradient_masking=True)
        output = tmp_path / str(len(names))
        records = run_experiment(experiment, {"kl": detectors["kl"]}, x, y, output, about={})
        for metric in ("success", "gradient_masking_noise"):
            found = select(records, metric=metric)
            made = {(record["threat_model"], record["attack"]) for record in found}
            assert made - {("uncorrected", "strongest")} == expected


def test_corruptions_are_also_counted_together(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(40)
    names = ("fog", "gaussian_noise")
    records = run_experiment(Experiment((), corruptions=names), detectors, x, y, tmp_path, about={})
    rows = pq.read_table(tmp_path / "rows.parquet").to_pandas()
    together = select(records, corruption="all", defence="again")
    assert {record["severity"] for record in together} == {1, 2, 3, 4, 5}
    table = rows[(rows.severity == 5) & (rows.defence == "again")]
    assert len(table) == 2 * len(x)
    right = table.prediction_clean == table.label
    harmful = table[right & (table.prediction != table.label)].score
    harmless = table[table.prediction_clean == table.prediction].score
    test = stats.ks_2samp(harmful, harmless)
    for metric, value in {
        "accuracy_drifted": (table.prediction == table.label).mean(),
        "score_harmful": harmful.mean(),
        "score_ratio": harmful.mean() / harmless.mean(),
        "ks_statistic": test.statistic,
        "ks_p_value": test.pvalue,
    }.items():
        [found] = select(together, severity=5, metric=metric)
        assert found["value"] == pytest.approx(value)
    [ratio] = select(together, severity=5, metric="score_ratio")
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert ratio["n"] == len(harmful) + len(harmless)
