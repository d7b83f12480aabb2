"""The detectors that `adversarial evaluate` compares, as its options name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.paper.datasets import DatasetName

QUICKSTART = Path("examples/fashion_mnist")
"""A detector and test images in a checkout of this project."""


@dataclass(frozen=True)
class Models:
    """A classifier of the paper, and where `adversarial train` keeps it and its detectors."""

    dataset: DatasetName
    name: str
    cache_dir: Path

    @property
    def directory(self) -> Path:
        """Of the classifier and its detectors."""
        return self.cache_dir / f"{self.dataset}-{self.name}"


@dataclass(frozen=True)
class Defences:
    """Detectors of one data set, by name.

    Attributes
    ----------
    dataset : str
    bundles : mapping of str to Path
        Directories of detector bundles.
    ensembles : mapping of str to sequence of str
        Names of the bundles that are evaluated as one.
    are_quickstart : bool
        Whether nothing was named or trained, so that the detector of the checkout is taken.
    """

    dataset: DatasetName
    bundles: Mapping[str, Path]
    ensembles: Mapping[str, Sequence[str]]
    are_quickstart: bool = False

    def load(self) -> dict[str, AdversarialDetector]:
        """Return the detectors and the ensembles of them, by name.

        Raises
        ------
        ExperimentError
            If a detector is of other classes than the data set, or the members of an ensemble have
            no reference window of the same rows.
        """
        from adversarial.detector.detector import AdversarialDetector
        from adversarial.evaluation.experiment import ensemble_of
        from adversarial.evaluation.threat_models import ExperimentError
        from adversarial.paper.datasets import CLASS_NAMES

        detectors = {name: AdversarialDetector.load(path) for name, path in self.bundles.items()}
        for name, loaded in detectors.items():
            if tuple(loaded.class_names) != CLASS_NAMES[self.dataset]:
                raise ExperimentError(
                    f"the detector {name!r} has the classes {', '.join(loaded.class_names)}, not "
                    f"those of {self.dataset}: give a detector of {self.dataset}, or the --dataset "
                    "that it is of"
                )
        return detectors | {
            name: ensemble_of([detectors[member] for member in members])
            for name, members in self.ensembles.items()
        }


def find_defences(models: Models, named: Sequence[str], ensembles: Sequence[str]) -> Defences:
    """Return the detectors that options name; those that were trained when none is.

    Parameters
    ----------
    models : Models
        The classifier.
    named : sequence of str
        "NAME=DIR" each.
    ensembles : sequence of str
        "NAME=A+B" each.

    Raises
    ------
    typer.BadParameter
        If an option is not of this form, or a name is taken or unknown.
    ExperimentError
        If there is no detector.
    """
    from adversarial.evaluation.threat_models import ExperimentError

    pairs = [_split(text, "--detector") for text in named]
    bundles = {name: Path(path) for name, path in pairs}
    if len(bundles) < len(pairs):
        raise typer.BadParameter("two detectors have one name", param_hint="--detector")
    if not bundles:
        directories = sorted(models.directory.glob("*"))
        bundles = {path.name: path for path in directories if path.is_dir()}
    of_quickstart = (models.dataset, models.name) == ("fashion_mnist", "cnn")
    are_quickstart = of_quickstart and not bundles
    if are_quickstart:
        bundles = {"detector": QUICKSTART / "detector"}
    if not bundles:
        raise ExperimentError(
            f"no detector in {models.directory}: make one with 'adversarial train --dataset "
            f"{models.dataset} --model {models.name}', or name a bundle with --detector NAME=DIR"
        )
    return Defences(models.dataset, bundles, _members(ensembles, bundles), are_quickstart)


def _members(ensembles: Sequence[str], bundles: Mapping[str, Path]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {}
    for name, result in (_split(text, "--ensemble") for text in ensembles):
        parts = result.split("+")
        is_new = name not in bundles and name not in members
        are_several = 1 < len(parts) == len(set(parts))
        if not (is_new and are_several and bundles.keys() >= set(parts)):
            raise typer.BadParameter(
                f"{name}={result}: expected a new name, and two or more detectors among "
                f"{', '.join(bundles)}",
                param_hint="--ensemble",
            )
        members[name] = parts
    return members


def _split(text: str, option: str) -> tuple[str, str]:
    """Return name and value of NAME=VALUE."""
    result = re.fullmatch(r"([\w.-]+)=(.+)", text)
    if not result:
        raise typer.BadParameter(
            f"{text!r} is not a name (of letters, digits, '_', '.' and '-'), =, and what it is for",
            param_hint=option,
        )
    return result[1], result[2]
