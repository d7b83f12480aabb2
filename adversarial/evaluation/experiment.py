"""One evaluation: attacks by threat model and defence, and corruptions, to a directory of results.

What the directory holds: `adversarial.evaluation.write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import PGD, Attack, AttackError
from adversarial.attacks.named import SELECTIVE, make_attack
from adversarial.corruptions import CORRUPTIONS
from adversarial.detector.detector import AdversarialDetector
from adversarial.evaluation.attack_metrics import (
    FPRS,
)
from adversarial.evaluation.threat_models import (
    ExperimentError,
    make_threat_model,
)

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Experiment:
    """What is to be evaluated.

    Parameters
    ----------
    attacks : sequence of str
        Names of attacks (`adversarial.attacks.named`).
    threat_models : sequence of str
        Names as in `make_threat_model`.
    targets : sequence of str
        Names of the detectors that an attacker who knows one attacks; all when not given. The
        others are held out: what was made against a target is tried on them.
    corruptions : sequence of str
        Names in `adversarial.corruptions.CORRUPTIONS`, each at every severity.
    gradient_masking : bool
        Check each PGD attack for hidden gradients (`adversarial.evaluation.gradient_masking`).
    seed : int
        Of attacks, corruptions and intervals.
    """

    attacks: Sequence[str] = ("cw", "slide", "fgsm-0.1")
    threat_models: Sequence[str] = ("grey-box",)
    targets: Sequence[str] = ()
    corruptions: Sequence[str] = ()
    gradient_masking: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.attacks and not self.corruptions:
            raise ExperimentError("nothing to evaluate: name an attack or a corruption")
        for what, names in (
            ("attack", self.attacks),
            ("threat model", self.threat_models),
            ("target", self.targets),
            ("corruption", self.corruptions),
        ):
            for name in names:
                if list(names).count(name) > 1:
                    raise ExperimentError(f"the {what} {name!r} is named twice: name it once")
        named: dict[tuple[Attack, bool], str] = {}
        for name in self.attacks:
            try:
                made = make_attack(name), name.endswith(SELECTIVE)
            except AttackError as error:
                raise ExperimentError(str(error)) from None
            if made in named:
                raise ExperimentError(f"{named[made]} and {name} are one attack: name one of them")
            named[made] = name
        if self.gradient_masking and not any(isinstance(attack, PGD) for attack, _ in named):
            raise ExperimentError(
                "hidden gradients are looked for behind PGD: name an attack such as pgd-linf-0.1"
            )
        for name in self.threat_models:
            make_threat_model(name)
        if self.targets and set(self.threat_models) == {"grey-box"}:
            raise ExperimentError(
                "a grey-box attack knows no detector, and has no target: name another threat model"
            )
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                known = ", ".join(CORRUPTIONS)
                raise ExperimentError(f"no corruption {name!r}: expected one of {known}")


def ensemble_of(members: Sequence[AdversarialDetector]) -> AdversarialDetector:
    """Return the ensemble of detectors of one classifier, with equal shares.

    Raises
    ------
    ExperimentError
        If their reference windows are not of the same rows, whose scores give its threshold.
    """
    first = members[0]
    windows = [member.reference for member in members if member.reference is not None]
    if len(windows) < len(members) or any(
        window["prediction"] != windows[0]["prediction"] for window in windows
    ):
        raise ExperimentError(
            "the detectors of an ensemble need reference windows of the same rows, which give it a "
            "threshold"
        )
    scores = np.mean([window["adversarial_score"].to_numpy() for window in windows], axis=0)
    ensemble = AdversarialDetector(
        first.classifier,
        [autoencoder for member in members for autoencoder in member.autoencoders],
        class_names=first.class_names,
        input_spec=first.input_spec,
        reference=pa.table({"adversarial_score": scores}),
    )
    ensemble.threshold_from_scores(scores, first.fpr or FPRS[-1])
    return ensemble


def same_classifier(one: AdversarialDetector, other: AdversarialDetector, *, x: Rows) -> bool:
    """Say whether both detectors are of one classifier, however its files differ: on rows x too."""
    first, second = one.classifier.get_weights(), other.classifier.get_weights()
    if one.class_names != other.class_names or len(first) != len(second):
        return False
    if not all(map(np.array_equal, first, second)):
        return False
    expected, found = (d.classifier.predict(x, batch_size=512, verbose=0) for d in (one, other))
    return bool(np.allclose(found, expected, atol=1e-6))
