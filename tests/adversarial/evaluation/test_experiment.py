import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from typer.testing import CliRunner

from adversarial import AdversarialDetector
from adversarial.attacks import PGD, Attack
from adversarial.attacks.named import FIXED_EPSILON, make_attack
from adversarial.cli.main import app
from adversarial.errors import DriftMonitorError
from adversarial.evaluation.experiment import Experiment, ensemble_of
from adversarial.evaluation.run import run
from adversarial.evaluation.schemas import METRICS, ROWS
from adversarial.evaluation.threat_models import ExperimentError
from adversarial.evaluation.write import N_IMAGES, RunError
from tests.support.animals import make_images

QUICKSTART = Path("examples/fashion_mnist")
BOTH = ["--detector", f"a={QUICKSTART}/detector", "--detector", f"b={QUICKSTART}/detector"]


@pytest.fixture(scope="module")
def detectors(bundle: Path) -> dict[str, AdversarialDetector]:
    return {"kl": AdversarialDetector.load(bundle), "again": AdversarialDetector.load(bundle)}


@pytest.fixture
def short_pgd(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGD of a few steps, where it matters which attacks are made and not how strong they are."""
    monkeypatch.setitem(FIXED_EPSILON, "pgd-linf-E", lambda epsilon: PGD(epsilon, steps=5))


def data(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    images, labels = make_images(n, seed=3)
    return (images[..., None] / 255).astype(np.float32), labels


def select(records: list[dict[str, Any]], **fields: object) -> list[dict[str, Any]]:
    return [r for r in records if all(r[name] == value for name, value in fields.items())]


@pytest.mark.usefixtures("short_pgd")
def test_every_attack_meets_every_defence_and_what_is_shared_is_made_once(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    experiment = Experiment(
        attacks=("fgsm-0.1", "pgd-linf-8/255"),
        threat_models=("grey-box", "undetected"),
        corruptions=("fog",),
    )
    x, y = data()
    records = run(experiment, detectors, x, y, tmp_path / "run", about={"dataset": "animals"})

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
    x, y = data()
    experiment = Experiment(attacks=("fgsm-0.1",))
    output = tmp_path / "run"
    first = run(experiment, detectors, x, y, output, about={})
    with monkeypatch.context() as patch:
        patch.setattr(Attack, "generators", lambda *_: pytest.fail("attacked again"))
        assert run(experiment, detectors, x, y, output, about={}) == first
    with pytest.raises(RunError, match=r"other settings \(seed 0, now 1\): give another --output"):
        run(Experiment(attacks=("fgsm-0.1",), seed=1), detectors, x, y, output, about={})
    with pytest.raises(RunError, match=r"other settings \(rows '.*', now '.*'\)"):
        run(experiment, detectors, x[::-1], y[::-1], output, about={})
    unknown = Experiment(attacks=("fgsm-0.1",), threat_models=("undetected-0.000001",))
    with pytest.raises(DriftMonitorError, match="1e-06"):
        run(unknown, detectors, x, y, tmp_path / "refused", about={})
    assert not (tmp_path / "refused").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(RunError, match="holds no evaluation"):
        run(experiment, detectors, x, y, tmp_path / "full", about={})
    for damage in ("{", "[]", "3"):
        (output / "config.json").write_text(damage)
        with pytest.raises(RunError, match=r"config.json is damaged .*: remove it"):
            run(experiment, detectors, x, y, output, about={})
    (output / "config.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Attack, "generators", lambda *_: pytest.fail("attacked again"))
        assert run(experiment, detectors, x, y, output, about={}) == first
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        run(experiment, detectors, x, y, tmp_path / "file" / "run", about={})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attacks": ("fgms",)}, "no attack 'fgms': expected one of cw, .*fgsm-E"),
        ({"threat_models": ("black-box",)}, "no threat model 'black-box': expected one of grey"),
        ({"threat_models": ("undetected-1.0",)}, "no threat model 'undetected-1.0'.*as 0.01"),
        ({"attacks": ("ddn", "ddn")}, "the attack 'ddn' is named twice"),
        ({"attacks": ("fgsm-0.1", "fgsm-1/10")}, "fgsm-0.1 and fgsm-1/10 are one attack"),
        (
            {"attacks": ("ddn",), "gradient_masking": True},
            "with PGD: name an attack such as pgd-linf",
        ),
        ({"threat_models": ("grey-box", "grey-box")}, "model 'grey-box' is named twice"),
        ({"attacks": ()}, "name an attack or a corruption"),
        ({"corruptions": ("rain",)}, "no corruption 'rain': expected one of gaussian_noise"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        Experiment(**fields)


def test_the_quickstart_alone_is_enough(tmp_path: Path) -> None:
    options = ["--dataset", "fashion_mnist", "--limit", "64", "--cache-dir", str(tmp_path / "none")]
    found = CliRunner().invoke(app, ["evaluate", *options, "--output", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output + str(found.exception)
    records = pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    for attack in ("cw", "slide"):
        [undefended] = select(records, attack=attack, metric="accuracy_attacked")
        assert undefended["value"] <= 0.02
        [defended] = select(records, attack=attack, metric="accuracy_defended", fpr=0.05)
        assert defended["value"] > 0.65
        [area] = select(records, attack=attack, metric="auc")
        assert area["value"] > 0.93
    assert "cw grey-box" in found.output
    assert "n = 64" in found.output
    assert "64 test images" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    figures = {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert {"roc-cw-grey-box.svg", "grid-slide-grey-box.png"} <= figures


def test_evaluation_without_a_detector_says_how_to_get_one(tmp_path: Path) -> None:
    command = ["evaluate", "--dataset", "mnist", "--cache-dir", str(tmp_path)]
    found = CliRunner().invoke(app, command)
    assert "adversarial train --dataset mnist --model cnn" in str(found.exception)
    found = CliRunner().invoke(app, [*command, "--detector", "only-a-path"])
    assert found.exit_code == 2
    assert "'only-a-path' is not a name" in found.output
    quickstart = ["--detector", f"a={QUICKSTART}/detector", "--ensemble", "both=a+b"]
    found = CliRunner().invoke(app, [*command, *quickstart])
    assert found.exit_code == 2
    assert "both=a+b" in found.output


def test_each_row_is_kept_as_each_defence_saw_it(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data()
    experiment = Experiment(
        attacks=("fgsm-0.1", "fgsm-0.3"),
        threat_models=("grey-box", "undetected"),
        corruptions=("fog",),
    )
    records = run(experiment, detectors, x, y, tmp_path, about={})
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


def test_an_ensemble_is_attacked_through_all_its_members(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data()
    member = keras.models.clone_model(detectors["kl"].autoencoders[0])
    member.set_weights([w * np.float32(0.9) for w in detectors["kl"].autoencoders[0].get_weights()])
    other = AdversarialDetector(detectors["kl"].classifier, member)
    other.class_names = detectors["kl"].class_names
    reference = detectors["kl"].reference
    assert reference is not None
    other.calibrate(reference, 0.05)
    both = ensemble_of([detectors["kl"], other])
    assert len(both.autoencoders) == 2
    np.testing.assert_allclose(
        both.score(x), (detectors["kl"].score(x) + other.score(x)) / 2, atol=1e-9
    )
    assert both.reference is not None
    assert np.mean(both.reference["adversarial_score"].to_numpy() > both.threshold) <= 0.05
    named = {"kl": detectors["kl"], "held_out": other, "both": both}
    experiment = Experiment(attacks=("fgsm-0.3",), threat_models=("white-box",))
    records = run(experiment, named, x, y, tmp_path, about={})
    against = select(records, target="both", metric="accuracy_reconstructed")
    assert [record["defence"] for record in against] == ["kl", "held_out", "both"]
    other.reference = reference.slice(1)
    with pytest.raises(ExperimentError, match="reference windows of the same rows"):
        ensemble_of([detectors["kl"], other])


def test_only_targets_are_attacked_and_the_others_are_held_out(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data(20)
    experiment = Experiment(("fgsm-0.1",), ("white-box",), targets=("again",))
    records = run(experiment, detectors, x, y, tmp_path / "run", about={})
    areas = select(records, metric="auc")
    assert [(area["target"], area["defence"]) for area in areas] == [
        ("again", "kl"),
        ("again", "again"),
    ]
    assert {r["defence"] for r in select(records, attack="any")} == {"again"}
    with pytest.raises(ExperimentError, match="no detector 'other': expected one of kl, again"):
        run(replace(experiment, targets=("other",)), detectors, x, y, tmp_path / "no", about={})
    with pytest.raises(ExperimentError, match="knows no detector, and has no target"):
        Experiment(("fgsm-0.1",), targets=("kl",))


def test_detectors_of_different_classifiers_are_refused(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data()
    classifier = keras.models.clone_model(detectors["kl"].classifier)
    stranger = AdversarialDetector(
        classifier, detectors["kl"].autoencoders, class_names=detectors["kl"].class_names
    )
    with pytest.raises(ExperimentError, match="'kl' and 'stranger' are of different classifiers"):
        run(Experiment(), {**detectors, "stranger": stranger}, x, y, tmp_path / "run", about={})
    assert not (tmp_path / "run").exists()


def test_checks_for_hidden_gradients_are_reported_by_attack(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data(20)
    experiment = Experiment(attacks=("fgsm-0.1", "pgd-linf-0.1"), gradient_masking=True)
    records = run(experiment, {"kl": detectors["kl"]}, x, y, tmp_path, about={})
    found = {r["metric"]: r for r in records if r["metric"].startswith("gradient_masking")}
    assert len(found) == 8
    assert {record["attack"] for record in found.values()} == {"pgd-linf-0.1"}
    assert found["gradient_masking_unbounded"]["value"] == 1
    assert found["gradient_masking_unbounded_passed"]["value"] == 1


@pytest.mark.usefixtures("short_pgd")
def test_an_attack_in_turn_is_not_made_again_where_there_is_only_one_aim(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data(20)
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
        records = run(experiment, {"kl": detectors["kl"]}, x, y, output, about={})
        for metric in ("success", "gradient_masking_noise"):
            found = select(records, metric=metric)
            made = {(record["threat_model"], record["attack"]) for record in found}
            assert made - {("uncorrected", "strongest")} == expected


def test_corruptions_can_be_evaluated_alone(tmp_path: Path) -> None:
    options = ["--dataset", "fashion_mnist", "--limit", "20", "--cache-dir", str(tmp_path / "none")]
    found = CliRunner().invoke(
        app, ["evaluate", *options, "--corruption", "fog", "--output", str(tmp_path / "run")]
    )
    assert found.exit_code == 0, found.output + str(found.exception)
    records = pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    assert {record["corruption"] for record in records} == {"fog", "all"}


def test_corruptions_are_also_counted_together(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data()
    names = ("fog", "gaussian_noise")
    records = run(Experiment((), corruptions=names), detectors, x, y, tmp_path, about={})
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


def test_thresholds_are_the_papers_and_the_detectors_own(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = data(20)
    own = AdversarialDetector(
        detectors["kl"].classifier,
        detectors["kl"].autoencoders,
        class_names=detectors["kl"].class_names,
        reference=detectors["kl"].reference,
    )
    assert own.reference is not None
    own.threshold_from_scores(own.reference["adversarial_score"].to_numpy(), 0.2)
    experiment = Experiment(attacks=("fgsm-0.1",), threat_models=("undetected-0.3",))
    records = run(experiment, {"own": own}, x, y, tmp_path, about={})
    rates = {record["fpr"] for record in records} - {None}
    assert rates == {0.01, 0.05, 0.2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "banana"], "no model 'banana' of fashion_mnist"),
        (["--detector", "a=x", "--detector", "a=y"], "two detectors have one name"),
        (["--detector", "a|b=x"], "is not a name"),
        (["--corruption", "all", "--corruption", "fogg"], "no corruption 'fogg'"),
        ([*BOTH, "--ensemble", "e=a+b", "--ensemble", "e=b+a"], r"e=b\+a: expected a new"),
        ([*BOTH, "--ensemble", "e=a+a"], r"e=a\+a: expected a new"),
        (["--dataset", "mnist", *BOTH], "'a' has the classes T-shirt/top, .* not those of mnist"),
    ],
)
def test_what_is_wrong_with_the_options_is_said_before_anything_is_loaded(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adversarial.paper.datasets.draw_images", lambda *_: pytest.fail("loaded"))
    found = CliRunner().invoke(app, ["evaluate", "--dataset", "fashion_mnist", *options])
    assert re.search(message, found.output + str(found.exception))
