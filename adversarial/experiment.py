"""One evaluation: attacks by threat model and defence, and corruptions, to a directory of results.

What the directory holds: `adversarial.run_directory`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import PGD, All, Attack, AttackError, AttackResult, Criterion, strongest
from adversarial.attacks.named import IN_TURN, make_attack
from adversarial.checkpoints import digest
from adversarial.corruptions import ALL, CORRUPTIONS, SEVERITIES, corrupt
from adversarial.detector import AdversarialDetector, Prediction
from adversarial.drift import by_severity, drift_metrics
from adversarial.errors import DriftMonitorError
from adversarial.estimates import Metric, share
from adversarial.evaluation import FPRS, attack_metrics, defence_metrics, entropy, lost_rows
from adversarial.masking import masking_checks
from adversarial.results import Case, Columns, columns_of
from adversarial.run_directory import (
    N_IMAGES,
    Record,
    as_records,
    as_rows,
    claim,
    write_images,
    write_original,
    write_results,
)
from adversarial.run_schemas import ANY, STRONGEST
from adversarial.threat_models import grey_box, in_turn, uncorrected, undetected, white_box

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Detectors = Mapping[str, AdversarialDetector]

THREAT_MODELS: dict[str, Callable[[AdversarialDetector], Criterion]] = {
    "grey-box": grey_box,
    "white-box": white_box,
    "undetected": undetected,
    "uncorrected": uncorrected,
}
"""Threat models by name (`adversarial.threat_models`)."""

WEIGHT_STEPS = 6
"""Weights tried, row by row, where several criteria must be met at once."""


class ExperimentError(DriftMonitorError):
    """An evaluation cannot be run as it was asked for."""


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
    masking : bool
        Check each PGD attack for hidden gradients (`adversarial.masking`).
    seed : int
        Of attacks, corruptions and intervals.
    """

    attacks: Sequence[str] = ("cw", "slide", "fgsm-0.1")
    threat_models: Sequence[str] = ("grey-box",)
    targets: Sequence[str] = ()
    corruptions: Sequence[str] = ()
    masking: bool = False
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
                made = make_attack(name), name.endswith(IN_TURN)
            except AttackError as error:
                raise ExperimentError(str(error)) from None
            if made in named:
                raise ExperimentError(f"{named[made]} and {name} are one attack: name one of them")
            named[made] = name
        if self.masking and not any(isinstance(attack, PGD) for attack, _ in named):
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


def make_threat_model(name: str) -> Callable[[AdversarialDetector], Criterion]:
    """Return the threat model of this name.

    Parameters
    ----------
    name : str
        One of `THREAT_MODELS`, of which "undetected" uses the detector's own threshold; or
        "undetected-E", with the threshold of an ε_FPR, as 0.01.

    Raises
    ------
    ExperimentError
        If there is none.
    """
    if name in THREAT_MODELS:
        return THREAT_MODELS[name]
    found = re.fullmatch(r"undetected-(0?\.\d+)", name)
    if not found or not 0 < (fpr := float(found[1])) < 1:
        raise ExperimentError(
            f"no threat model {name!r}: expected one of {', '.join(THREAT_MODELS)}, or "
            "undetected-E with the ε_FPR for E, as 0.01"
        )
    return lambda detector: undetected(detector, fpr)


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


def run(
    experiment: Experiment,
    detectors: Detectors,
    x: Rows,
    y: Classes,
    output: Path,
    *,
    about: Mapping[str, Any],
    verbose: bool = False,
) -> list[Record]:
    """Run an evaluation and write its directory.

    Parameters
    ----------
    experiment : Experiment
        What to evaluate.
    detectors : mapping of str to AdversarialDetector
        Defences by name, of one classifier. An attack that knows nothing of the detector is made
        once for all; one that does is made against each, and tried on all others too.
    x, y : (n, height, width, channels) float32, (n,) int64
        Images in [0, 1] that no model has seen, and their classes.
    output : Path
        The directory. One that holds a run of the same configuration is finished.
    about : mapping
        What else belongs in `config.json`: data set, bundles, command.
    verbose : bool
        Show progress.

    Returns
    -------
    list of dict
        The records, with the fields of `adversarial.run_schemas.METRICS`.

    Raises
    ------
    ExperimentError
        If the detectors are not of one classifier, or a target is not among them.
    RunError
        If `output` holds a run of another configuration, or something else.
    """
    if unknown := [name for name in experiment.targets if name not in detectors]:
        raise ExperimentError(f"no detector {unknown[0]!r}: expected one of {', '.join(detectors)}")
    first, *others = detectors.items()
    for name, detector in others:
        if not same_classifier(first[1], detector, x=x):
            raise ExperimentError(
                f"the detectors {first[0]!r} and {name!r} are of different classifiers: evaluate "
                "each by itself"
            )
    config = json.loads(
        json.dumps(
            {
                **asdict(experiment),
                "n": len(x),
                "rows": digest(x, y),
                "fprs": _fprs(detectors),
                "class_names": first[1].class_names,
                "hyper_parameters": {name: repr(make_attack(name)) for name in experiment.attacks},
                **about,
            }
        )
    )
    criteria = _criteria(experiment, detectors)  # refused, if at all, before anything is written
    claim(output, config)
    write_original(output, x)
    evaluation = _Evaluation(experiment, detectors, x, y, output, verbose)
    records = [*evaluation.attacked(criteria), *evaluation.corrupted()]
    write_results(output, config, records, evaluation.rows)
    return records


def _criteria(
    experiment: Experiment, detectors: Detectors
) -> dict[tuple[str, str | None], Criterion]:
    """Return what attackers aim at, by threat model and target; a grey-box one has no target."""
    found = {}
    for threat_model in experiment.threat_models:
        targets = experiment.targets or detectors
        for target in [None] if threat_model == "grey-box" else targets:
            detector = detectors[target or next(iter(detectors))]
            found[threat_model, target] = make_threat_model(threat_model)(detector)
    return found


class _Evaluation:
    """The state of one run: what is known of the originals, and the rows so far."""

    def __init__(
        self,
        experiment: Experiment,
        detectors: Detectors,
        x: Rows,
        y: Classes,
        output: Path,
        verbose: bool,
    ) -> None:
        self.experiment = experiment
        self.detectors = detectors
        self.x, self.y = x, y
        self.output = output
        self.verbose = verbose
        self.fprs = _fprs(detectors)
        self.rows: list[pa.Table] = []
        self.probabilities = self._classify(x)
        self.clean = {name: detector.predict(x) for name, detector in detectors.items()}
        self.pictures_clean = {
            f"reconstruction_clean-{name}": detector.reconstruct(x[:N_IMAGES])
            for name, detector in detectors.items()
        }

    def attacked(self, criteria: Mapping[tuple[str, str | None], Criterion]) -> Iterator[Record]:
        """Yield the records of all attacks."""
        # Of each defence: where any attack has won, by ε_FPR and policy.
        lost: dict[str, dict[tuple[float, str], NDArray[np.bool_]]] = {
            name: {} for name in self.detectors
        }
        for (threat_model, target), criterion in criteria.items():
            place = {"threat_model": threat_model, "target": target}
            names = _distinct(self.experiment.attacks, criterion)
            made = {name: self._attack(name, criterion, place) for name in names}
            best = {STRONGEST: strongest(list(made.values()))} if len(made) > 1 else {}
            for name, found in (made | best).items():
                yield from self._defended(found, {"attack": name, **place}, lost)
            if self.experiment.masking:
                yield from self._masking(made, criterion, place)
        for defence, by_policy in lost.items():
            metrics = [
                Metric("undetected_error", share(rows), fpr, policy)
                for (fpr, policy), rows in by_policy.items()
            ]
            place = {"attack": ANY, "threat_model": ANY, "defence": defence}
            yield from as_records(metrics, place)

    def corrupted(self) -> Iterator[Record]:
        """Yield the records of all corruptions, one by one and together."""
        rows: dict[Case, dict[str, Columns]] = {}
        for corruption in self.experiment.corruptions:
            for severity in SEVERITIES:
                drifted = corrupt(self.x, corruption, severity, seed=self.experiment.seed)
                entropies = entropy(self.probabilities), entropy(self._classify(drifted))
                for name, after in self._after(drifted, f"{corruption}-{severity}").items():
                    place = {"corruption": corruption, "severity": severity, "defence": name}
                    before = self.clean[name]
                    table = as_rows(before, after, entropies, self.y, None, place)
                    self.rows.append(table)
                    case = Case(corruption=corruption, severity=severity)
                    rows.setdefault(case, {})[name] = columns_of(table)
                    metrics = drift_metrics(before, after, self.y, seed=self.experiment.seed)
                    yield from as_records(metrics, place)
        for summary in by_severity(rows, seed=self.experiment.seed):
            if summary.severity:  # 0 are the originals
                place = {"severity": summary.severity, "defence": summary.defence}
                yield from as_records(summary.metrics(), {"corruption": ALL, **place})

    def _attack(
        self, name: str, criterion: Criterion, place: Mapping[str, str | None]
    ) -> AttackResult:
        aim = _aim(name, criterion)
        parts = [name.replace("/", "_"), *(part for part in place.values() if part)]
        return self._make(name, aim).run(
            aim,
            self.x,
            self.y,
            directory=self.output / "attacks" / "-".join(parts),
            verbose=self.verbose,
        )

    def _make(self, name: str, aim: Criterion) -> Attack:
        attack = replace(make_attack(name), seed=self.experiment.seed)
        if not isinstance(aim, All):
            return attack
        if not aim.in_turn:
            return replace(attack, weight_steps=WEIGHT_STEPS)
        # No weight makes a difference to it: it starts from as many points instead.
        return replace(attack, restarts=1 + WEIGHT_STEPS) if isinstance(attack, PGD) else attack

    def _defended(
        self,
        found: AttackResult,
        place: Mapping[str, str | None],
        lost: Mapping[str, dict[tuple[float, str], NDArray[np.bool_]]],
    ) -> Iterator[Record]:
        probabilities = self._classify(found.x_adv)
        yield from as_records(
            attack_metrics(self.probabilities, probabilities, found, self.y), place
        )
        entropies = entropy(self.probabilities), entropy(probabilities)
        name = "-".join(part for part in place.values() if part)
        for defence, after in self._after(found.x_adv, name).items():
            before, detector = self.clean[defence], self.detectors[defence]
            where = {**place, "defence": defence}
            self.rows.append(as_rows(before, after, entropies, self.y, found.success, where))
            metrics = defence_metrics(
                detector, before, after, self.y, fprs=self.fprs, seed=self.experiment.seed
            )
            yield from as_records(metrics, where)
            if place["target"] in (None, defence):
                for key, rows in lost_rows(detector, after, self.y, fprs=self.fprs).items():
                    lost[defence][key] = rows | lost[defence].get(key, np.zeros_like(rows))

    def _masking(
        self,
        results: Mapping[str, AttackResult],
        criterion: Criterion,
        place: Mapping[str, str | None],
    ) -> Iterator[Record]:
        for name, found in results.items():
            aim = _aim(name, criterion)
            attack = self._make(name, aim)
            if not isinstance(attack, PGD):
                continue
            checks = masking_checks(attack, found.success, aim, self.x, self.y)
            metrics = [
                metric
                for check in checks
                for metric in (
                    Metric(f"masking_{check.name}", share(check.success)),
                    Metric(f"masking_{check.name}_passed", share(np.array([check.passed]))),
                )
            ]
            yield from as_records(metrics, {"attack": name, **place})

    def _after(self, x: Rows, name: str) -> dict[str, Prediction]:
        """Return what each defence says of changed rows, and keep the first as pictures."""
        pictures = {
            f"reconstruction-{defence}": detector.reconstruct(x[:N_IMAGES])
            for defence, detector in self.detectors.items()
        }
        write_images(self.output, name, {"attacked": x[:N_IMAGES]} | pictures | self.pictures_clean)
        return {defence: detector.predict(x) for defence, detector in self.detectors.items()}

    def _classify(self, x: Rows) -> Rows:
        classifier = next(iter(self.detectors.values())).classifier
        probabilities: Rows = classifier.predict(x, batch_size=512, verbose=0)
        return probabilities


def _distinct(names: Sequence[str], criterion: Criterion) -> list[str]:
    """Return the attacks that differ: of one part, an attack in turn is the plain one again."""
    if isinstance(criterion, All):
        return list(names)
    return [
        name
        for name in names
        if not (name.endswith(IN_TURN) and name.removesuffix(IN_TURN) in names)
    ]


def _aim(name: str, criterion: Criterion) -> Criterion:
    return in_turn(criterion) if name.endswith(IN_TURN) else criterion


def _fprs(detectors: Detectors) -> tuple[float, ...]:
    """Return the ε_FPR of the thresholds that are reported: the paper's, and the detectors' own."""
    own = {detector.fpr for detector in detectors.values() if detector.fpr is not None}
    return tuple(sorted({*FPRS, *own}))
