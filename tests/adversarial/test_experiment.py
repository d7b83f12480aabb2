import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adversarial import AdversarialDetector
from adversarial.attacks import Attack
from adversarial.cli import app
from adversarial.experiment import SCHEMA, Experiment, ExperimentError, draw_images, run
from tests.animals import make_images

QUICKSTART = Path("examples/fashion_mnist")


@pytest.fixture(scope="module")
def detectors(bundle: Path) -> dict[str, AdversarialDetector]:
    return {"kl": AdversarialDetector.load(bundle), "again": AdversarialDetector.load(bundle)}


def data(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    images, labels = make_images(n, seed=3)
    return (images[..., None] / 255).astype(np.float32), labels


def select(records: list[dict[str, Any]], **fields: object) -> list[dict[str, Any]]:
    return [r for r in records if all(r[name] == value for name, value in fields.items())]


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

    assert pq.read_table(tmp_path / "run" / "metrics.parquet").schema.equals(SCHEMA)
    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert stored["metrics"] == pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    assert stored["metrics"] == records
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["n"] == 40
    assert config["dataset"] == "animals"

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
        assert len(select(records, attack=attack, threat_model="undetected", metric="auc")) == 2
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
        patch.setattr(Attack, "_draw", lambda *_: pytest.fail("attacked again"))
        assert run(experiment, detectors, x, y, output, about={}) == first
    with pytest.raises(
        ExperimentError, match=r"other settings \(seed 0, now 1\): give another --output"
    ):
        run(Experiment(attacks=("fgsm-0.1",), seed=1), detectors, x, y, output, about={})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(ExperimentError, match="holds no evaluation"):
        run(experiment, detectors, x, y, tmp_path / "full", about={})
    (output / "config.json").write_text("{")
    with pytest.raises(ExperimentError, match=r"config.json is damaged"):
        run(experiment, detectors, x, y, output, about={})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attacks": ("fgms",)}, "no attack 'fgms': expected one of cw, "),
        ({"threat_models": ("black-box",)}, "no threat model 'black-box': expected one of grey"),
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


def test_images_are_drawn_by_the_seed_and_keep_their_classes() -> None:
    x, y = draw_images("fashion_mnist", QUICKSTART, None, 0)
    assert x.shape == (10_000, 28, 28, 1)
    assert x.max() == 1
    some, classes = draw_images("fashion_mnist", QUICKSTART, 50, 0)
    again, _ = draw_images("fashion_mnist", QUICKSTART, 50, 0)
    other, _ = draw_images("fashion_mnist", QUICKSTART, 50, 1)
    np.testing.assert_array_equal(some, again)
    assert not np.array_equal(some, other)
    first = int(np.flatnonzero((x == some[0]).all(axis=(1, 2, 3)))[0])
    assert y[first] == classes[0]


def test_evaluation_without_a_detector_says_how_to_get_one(tmp_path: Path) -> None:
    command = ["evaluate", "--dataset", "mnist", "--cache-dir", str(tmp_path)]
    found = CliRunner().invoke(app, command)
    assert "adversarial train --dataset mnist --model cnn" in str(found.exception)
    found = CliRunner().invoke(app, [*command, "--detector", "only-a-path"])
    assert found.exit_code == 2
    assert "NAME=DIR" in found.output
