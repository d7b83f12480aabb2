"""One evaluation: attacks by threat model and defence, and corruptions, to a directory of results.

`adversarial.evaluation.write` says what the directory holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import PGD, Attack, AttackError
from adversarial.attacks.named import SELECTIVE, make_attack
from adversarial.bundle.calibration import Calibration
from adversarial.bundle.threshold import threshold_from_scores
from adversarial.corruptions import CORRUPTIONS
from adversarial.detector.detector import AdversarialDetector
from adversarial.evaluation.attack_metrics import FPRS
from adversarial.evaluation.schemas import ANY, STRONGEST
from adversarial.evaluation.threat_models import ExperimentError, ThreatModel, make_threat_model

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Experiment:
    """What is to be evaluated.

    Parameters
    ----------
    attacks : sequence of str, or mapping of str to Attack
        Names of attacks (`adversarial.attacks.named`); or attacks of your own by name, with
        `make_attack` for the others. Their seed is the experiment's. An attack whose name ends in
        "-selective" follows several criteria one at a time (`threat_models.selective`).
    threat_models : sequence of str, or mapping of str to callable
        Names as in `make_threat_model`; or threat models of your own by name, each mapping the
        attacked detector to a criterion. "grey-box" is attacked once for all detectors.
    targets : sequence of str
        Names of the detectors that are attacked by an attacker who knows one; all when not given.
        The others are held out: attacks made against a target are tried on them.
    corruptions : sequence of str
        Names in `adversarial.corruptions.CORRUPTIONS`, each at every severity.
    gradient_masking : bool
        Check each PGD attack for gradient masking (`adversarial.evaluation.gradient_masking`).
    seed : int
        Seed of attacks, corruptions and intervals.

    Raises
    ------
    ExperimentError
        If there is nothing to evaluate, or a name does not exist or is given twice.

    Examples
    --------
    >>> list(Experiment(attacks={"pgd": PGD(0.1), "cw": make_attack("cw")}).attacks)
    ['pgd', 'cw']
    """

    attacks: Sequence[str] | Mapping[str, Attack] = ("cw", "slide", "fgsm-0.1")
    threat_models: Sequence[str] | Mapping[str, ThreatModel] = ("grey-box",)
    targets: Sequence[str] = ()
    corruptions: Sequence[str] = ()
    gradient_masking: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.attacks and not self.corruptions:
            raise ExperimentError("nothing to evaluate: name an attack or a corruption")
        for what, names in (
            ("attack", list(self.attacks)),
            ("threat model", list(self.threat_models)),
            ("target", self.targets),
            ("corruption", self.corruptions),
        ):
            for name in names:
                if list(names).count(name) > 1:
                    raise ExperimentError(f"the {what} {name!r} is named twice: name it once")
        self._check_attacks()
        for name in self.threat_models:
            self.threat_model(name)
        if self.targets and set(self.threat_models) == {"grey-box"}:
            raise ExperimentError(
                "a grey-box attack knows no detector, and has no target: name another threat model"
            )
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                known = ", ".join(CORRUPTIONS)
                raise ExperimentError(f"no corruption {name!r}: expected one of {known}")

    def attack(self, name: str) -> Attack:
        """Return the attack that this name stands for, with the experiment's seed."""
        if not isinstance(self.attacks, Mapping):
            return replace(make_attack(name), seed=self.seed)
        _check_name("an attack", name)
        attack = self.attacks[name]
        if not isinstance(attack, Attack):
            raise ExperimentError(
                f"the attack {name!r} is {attack!r}: expected an attack, such as PGD(0.1)"
            )
        return replace(attack, seed=self.seed)

    def threat_model(self, name: str) -> ThreatModel:
        """Return the threat model that this name stands for."""
        if isinstance(self.threat_models, Mapping):
            _check_name("a threat model", name)
            return self.threat_models[name]
        return make_threat_model(name)

    def settings(self) -> dict[str, Any]:
        """Return the fields as `config.json` has them: attacks and threat models by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        names = {"attacks": list(self.attacks), "threat_models": list(self.threat_models)}
        attacks = {name: repr(self.attack(name)) for name in self.attacks}
        return values | names | {"hyper_parameters": attacks}

    def _check_attacks(self) -> None:
        """Raise ExperimentError for an attack that does not exist, or that has two names."""
        named: dict[tuple[str, bool], str] = {}
        has_pgd = False
        for name in self.attacks:
            try:
                attack = self.attack(name)
            except AttackError as error:
                raise ExperimentError(str(error)) from None
            made = json.dumps(attack.settings()), name.endswith(SELECTIVE)
            if made in named:
                raise ExperimentError(f"{named[made]} and {name} are one attack: name one of them")
            named[made] = name
            has_pgd |= isinstance(attack, PGD)
        if self.gradient_masking and not has_pgd:
            raise ExperimentError(
                "gradient masking is looked for with PGD: name an attack such as pgd-linf-0.1"
            )


def _check_name(what: str, name: str) -> None:
    """Raise ExperimentError for a name that cannot be used for a directory and in the records."""
    if not re.fullmatch(r"[\w./-]+", name) or name in {STRONGEST, ANY}:
        raise ExperimentError(
            f"{name!r} cannot be the name of {what}: expected letters, digits, '_', '.', '-' and "
            f"'/', and neither {STRONGEST!r} nor {ANY!r}"
        )


def ensemble_of(members: Sequence[AdversarialDetector]) -> AdversarialDetector:
    """Return the ensemble of detectors of one classifier, with equal shares.

    Raises
    ------
    ExperimentError
        If their reference windows, whose scores give its threshold, are not of the same rows, or
        their scores are taken at different temperatures.
    """
    first = members[0]
    given = [member.calibration.reference for member in members]
    windows = [window for window in given if window is not None]
    if len(windows) < len(members) or any(
        window["prediction"] != windows[0]["prediction"] for window in windows
    ):
        raise ExperimentError(
            "the detectors of an ensemble need reference windows of the same rows, which give it a "
            "threshold"
        )
    temperatures = sorted({member.score_temperature for member in members})
    if len(temperatures) > 1:
        raise ExperimentError(
            f"the detectors of an ensemble have scores at the temperatures "
            f"{', '.join(f'{t:g}' for t in temperatures)}, whose mean has no meaning: expected one"
        )
    scores = np.mean([window["adversarial_score"].to_numpy() for window in windows], axis=0)
    fpr = first.calibration.fpr or FPRS[-1]
    return AdversarialDetector(
        first.classifier,
        [autoencoder for member in members for autoencoder in member.autoencoders],
        score_temperature=first.score_temperature,
        class_names=first.class_names,
        input_spec=first.input_spec,
        calibration=Calibration(
            threshold_from_scores(scores, fpr), fpr, pa.table({"adversarial_score": scores})
        ),
    )


def same_classifier(one: AdversarialDetector, other: AdversarialDetector, *, x: Rows) -> bool:
    """Say whether both detectors have one classifier, by its weights and its outputs for `x`."""
    first, second = one.classifier.get_weights(), other.classifier.get_weights()
    if one.class_names != other.class_names or len(first) != len(second):
        return False
    if not all(map(np.array_equal, first, second)):
        return False
    expected, result = (d.classifier.predict(x, batch_size=512, verbose=0) for d in (one, other))
    return bool(np.allclose(result, expected, atol=1e-6))
