"""Running an experiment: attacks and corruptions, cell by cell, and writing the results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import PGD, All, Attack, AttackResult, Criterion
from adversarial.attacks.core.result import strongest
from adversarial.attacks.named import SELECTIVE
from adversarial.corruptions import ALL, SEVERITIES, corrupt
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.scorer import Prediction
from adversarial.evaluation.attack_metrics import (
    FPRS,
    attack_metrics,
    defence_metrics,
    undetected_errors_by_policy,
)
from adversarial.evaluation.drift_metrics import by_severity, drift_metrics
from adversarial.evaluation.estimates import Metric, share
from adversarial.evaluation.experiment import Classes, Experiment, Rows, same_classifier
from adversarial.evaluation.gradient_masking import gradient_masking_checks
from adversarial.evaluation.read import Case, Columns, columns_of
from adversarial.evaluation.schemas import ANY, STRONGEST
from adversarial.evaluation.threat_models import ExperimentError, selective
from adversarial.evaluation.write import (
    N_IMAGES,
    Record,
    as_records,
    as_rows,
    claim,
    write_images,
    write_original,
    write_results,
)
from adversarial.files import arrays_digest
from adversarial.statistics import entropy

Detectors = Mapping[str, AdversarialDetector]

WEIGHT_STEPS = 6
"""Weights tried, row by row, where several criteria must be met at once."""


def run_experiment(
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
        Defences of one classifier, by name. An attack that knows nothing of the detector is made
        once for all; one that does is made against each, and tried on all others too.
    x, y : (n, height, width, channels) float32, (n,) int64
        Images in [0, 1] that no model has seen, and their classes.
    output : Path
        The directory. An unfinished run of the same configuration in it is continued.
    about : mapping
        What else belongs in `config.json`: data set, bundles, command.
    verbose : bool
        Show progress.

    Returns
    -------
    list of dict
        The records, with the fields of `adversarial.evaluation.schemas.METRICS`.

    Raises
    ------
    ExperimentError
        If the detectors do not share one classifier, or a target is not among them.
    RunError
        If `output` holds a run of another configuration, or something else.
    """
    if unknown := [name for name in experiment.targets if name not in detectors]:
        raise ExperimentError(f"no detector {unknown[0]!r}: expected one of {', '.join(detectors)}")
    first, *others = detectors.items()
    for name, detector in others:
        if not same_classifier(first[1], detector, x=x):
            raise ExperimentError(
                f"the detectors {first[0]!r} and {name!r} have different classifiers: evaluate "
                "each by itself"
            )
    config = json.loads(
        json.dumps(
            {
                **experiment.settings(),
                "n": len(x),
                "rows": arrays_digest(x, y),
                "fprs": _fprs(detectors),
                "class_names": first[1].class_names,
                **about,
            }
        )
    )
    criteria = _criteria(experiment, detectors)  # errors come before anything is written
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
    result = {}
    for threat_model in experiment.threat_models:
        targets = experiment.targets or detectors
        for target in [None] if threat_model == "grey-box" else targets:
            detector = detectors[target or next(iter(detectors))]
            result[threat_model, target] = experiment.threat_model(threat_model)(detector)
    return result


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
        # For each defence, the rows on which any attack has won, by ε_FPR and policy.
        lost: dict[str, dict[tuple[float, str], NDArray[np.bool_]]] = {
            name: {} for name in self.detectors
        }
        for (threat_model, target), criterion in criteria.items():
            place = {"threat_model": threat_model, "target": target}
            names = _distinct(list(self.experiment.attacks), criterion)
            made = {name: self._attack(name, criterion, place) for name in names}
            best = {STRONGEST: strongest(list(made.values()))} if len(made) > 1 else {}
            for name, result in (made | best).items():
                yield from self._defended(result, {"attack": name, **place}, lost)
            if self.experiment.gradient_masking:
                yield from self._gradient_masking(made, criterion, place)
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
        followed = _as_followed(name, criterion)
        parts = [name, *(part for part in place.values() if part)]
        return self._make(name, followed).run(
            followed,
            self.x,
            self.y,
            directory=self.output / "attacks" / "-".join(parts).replace("/", "_"),
            verbose=self.verbose,
        )

    def _make(self, name: str, criterion: Criterion) -> Attack:
        attack = self.experiment.attack(name)
        if not isinstance(criterion, All):
            return attack
        if not criterion.selective:
            return replace(attack, weight_steps=WEIGHT_STEPS)
        # Weights make no difference to it, so it gets more starting points instead.
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
                for key, rows in undetected_errors_by_policy(
                    detector, after, self.y, fprs=self.fprs
                ).items():
                    lost[defence][key] = rows | lost[defence].get(key, np.zeros_like(rows))

    def _gradient_masking(
        self,
        results: Mapping[str, AttackResult],
        criterion: Criterion,
        place: Mapping[str, str | None],
    ) -> Iterator[Record]:
        for name, result in results.items():
            followed = _as_followed(name, criterion)
            attack = self._make(name, followed)
            if not isinstance(attack, PGD):
                continue
            checks = gradient_masking_checks(attack, result.success, followed, self.x, self.y)
            metrics = [
                metric
                for check in checks
                for metric in (
                    Metric(f"gradient_masking_{check.name}", share(check.success)),
                    Metric(
                        f"gradient_masking_{check.name}_passed", share(np.array([check.passed]))
                    ),
                )
            ]
            yield from as_records(metrics, {"attack": name, **place})

    def _after(self, x: Rows, name: str) -> dict[str, Prediction]:
        """Return each defence's predictions for changed rows, and keep some as pictures."""
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
    """Return the attacks that differ: with one criterion, a selective attack is the plain one."""
    if isinstance(criterion, All):
        return list(names)
    return [
        name
        for name in names
        if not (name.endswith(SELECTIVE) and name.removesuffix(SELECTIVE) in names)
    ]


def _as_followed(name: str, criterion: Criterion) -> Criterion:
    """Return the criterion as the attack of this name follows it."""
    return selective(criterion) if name.endswith(SELECTIVE) else criterion


def _fprs(detectors: Detectors) -> tuple[float, ...]:
    """Return the ε_FPR of the thresholds that are reported: the paper's, and the detectors' own."""
    own = (detector.calibration.fpr for detector in detectors.values())
    return tuple(sorted({*FPRS, *(fpr for fpr in own if fpr is not None)}))
