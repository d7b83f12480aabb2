"""What an experiment refuses, and what it makes of names and objects."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial import AdversarialDetector
from adversarial.attacks import DDN, FGSM, PGD, AttackError, Misclassified, Unflagged
from adversarial.attacks.named import make_attack
from adversarial.bundle.calibration import Calibration
from adversarial.evaluation.experiment import Experiment, ensemble_of
from adversarial.evaluation.run import run_experiment
from adversarial.evaluation.threat_models import ExperimentError, grey_box, undetected
from tests.support.attack_cases import make_rows
from tests.support.evaluation_run import select


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


def test_an_ensemble_is_attacked_through_all_its_members(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(40)
    member = keras.models.clone_model(detectors["kl"].autoencoders[0])
    member.set_weights([w * np.float32(0.9) for w in detectors["kl"].autoencoders[0].get_weights()])
    reference = detectors["kl"].calibration.reference
    assert reference is not None
    other = AdversarialDetector(
        detectors["kl"].classifier,
        member,
        class_names=detectors["kl"].class_names,
        calibration=Calibration.from_window(reference, 0.05),
    )
    both = ensemble_of([detectors["kl"], other])
    assert len(both.autoencoders) == 2
    np.testing.assert_allclose(
        both.score(x), (detectors["kl"].score(x) + other.score(x)) / 2, atol=1e-9
    )
    window = both.calibration.reference
    assert window is not None
    assert np.mean(window["adversarial_score"].to_numpy() > both.threshold) <= 0.05
    named = {"kl": detectors["kl"], "held_out": other, "both": both}
    experiment = Experiment(attacks=("fgsm-0.3",), threat_models=("white-box",))
    records = run_experiment(experiment, named, x, y, tmp_path, about={})
    against = select(records, target="both", metric="accuracy_reconstructed")
    assert [record["defence"] for record in against] == ["kl", "held_out", "both"]
    shorter = Calibration.from_window(reference.slice(1), 0.05)
    with pytest.raises(ExperimentError, match="reference windows of the same rows"):
        ensemble_of([detectors["kl"], other.replace(calibration=shorter)])
    sharpened = other.replace(score_temperature=0.5, calibration=other.calibration)
    with pytest.raises(ExperimentError, match=r"at the temperatures 0\.5, 1, whose mean"):
        ensemble_of([detectors["kl"], sharpened])
    assert ensemble_of([sharpened, sharpened]).score_temperature == 0.5


def test_only_targets_are_attacked_and_the_others_are_held_out(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(20)
    experiment = Experiment(("fgsm-0.1",), ("white-box",), targets=("again",))
    records = run_experiment(experiment, detectors, x, y, tmp_path / "run", about={})
    areas = select(records, metric="auc")
    assert [(area["target"], area["defence"]) for area in areas] == [
        ("again", "kl"),
        ("again", "again"),
    ]
    assert {r["defence"] for r in select(records, attack="any")} == {"again"}
    with pytest.raises(ExperimentError, match="no detector 'other': expected one of kl, again"):
        run_experiment(
            replace(experiment, targets=("other",)), detectors, x, y, tmp_path / "no", about={}
        )
    with pytest.raises(ExperimentError, match="knows no detector, and has no target"):
        Experiment(("fgsm-0.1",), targets=("kl",))


def test_detectors_of_different_classifiers_are_refused(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(40)
    classifier = keras.models.clone_model(detectors["kl"].classifier)
    stranger = AdversarialDetector(
        classifier, detectors["kl"].autoencoders, class_names=detectors["kl"].class_names
    )
    with pytest.raises(ExperimentError, match="'kl' and 'stranger' have different classifiers"):
        run_experiment(
            Experiment(), {**detectors, "stranger": stranger}, x, y, tmp_path / "run", about={}
        )
    assert not (tmp_path / "run").exists()


def test_thresholds_are_the_papers_and_the_detectors_own(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(20)
    reference = detectors["kl"].calibration.reference
    assert reference is not None
    own = detectors["kl"].replace(calibration=Calibration.from_window(reference, 0.2))
    experiment = Experiment(attacks=("fgsm-0.1",), threat_models=("undetected-0.3",))
    records = run_experiment(experiment, {"own": own}, x, y, tmp_path, about={})
    rates = {record["fpr"] for record in records} - {None}
    assert rates == {0.01, 0.05, 0.2}


def test_attacks_and_threat_models_can_be_objects_with_names(
    detectors: dict[str, AdversarialDetector], tmp_path: Path
) -> None:
    x, y = make_rows(20)
    attacks = {"step": FGSM(0.1), "ball/2": PGD(0.2, steps=5)}
    threat_models = {
        "sure": lambda detector: Misclassified(detector.classifier, confidence=1.0),
        "unseen": lambda detector: Misclassified(detector.classifier) & Unflagged(detector),
    }
    experiment = Experiment(attacks, threat_models)
    records = run_experiment(experiment, {"kl": detectors["kl"]}, x, y, tmp_path, about={})
    made = {(r["attack"], r["threat_model"]) for r in select(records, metric="success")}
    names = [*attacks, "strongest"]
    assert made == {(name, threat) for name in names for threat in threat_models}
    directories = {path.name for path in (tmp_path / "attacks").iterdir()}
    assert {"step-sure-kl", "ball_2-unseen-kl"} <= directories
    [found] = select(records, metric="success", attack="step", threat_model="unseen")
    expected = FGSM(0.1, weight_steps=6).run(undetected(detectors["kl"]), x, y)
    assert found["value"] == expected.success.mean()
    other = Experiment(attacks | {"step": FGSM(0.2)}, threat_models)
    with pytest.raises(
        AttackError, match=r"step-sure-kl holds another attack \(epsilon 0.1, now 0.2"
    ):
        run_experiment(other, {"kl": detectors["kl"]}, x, y, tmp_path, about={})


@pytest.mark.parametrize(
    ("attacks", "message"),
    [
        ({"a": DDN(), "b": DDN()}, "a and b are one attack"),
        ({"a b": DDN()}, "'a b' cannot be the name of an attack"),
        ({"strongest": DDN()}, "'strongest' cannot be the name"),
        ({"a": DDN}, "the attack 'a' is <class .*DDN'>: expected an attack, such as PGD"),
    ],
)
def test_attacks_that_no_experiment_can_take_are_refused(
    attacks: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExperimentError, match=message):
        Experiment(attacks)


def test_an_attack_by_name_and_the_same_as_an_object_are_alike() -> None:
    by_name = Experiment(("ddn", "fgsm-0.1")).settings()
    by_object = Experiment({"ddn": DDN(), "fgsm-0.1": make_attack("fgsm-0.1")}).settings()
    assert by_name == by_object
    assert Experiment(threat_models={"mine": grey_box}).settings()["threat_models"] == ["mine"]
