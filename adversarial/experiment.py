"""One evaluation: attacks by threat model and defence, and corruptions, to a directory of results.

The directory holds `config.json`, what was asked for; `metrics.parquet` and `metrics.json`, one
record per number (`adversarial.evaluation`); and `attacks/`, the attacked rows batch by batch, from
which a killed run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.attacks import (
    DDN,
    FGSM,
    PGD,
    SLIDE,
    Attack,
    CarliniWagner,
    Criterion,
    RayS,
    SquareAttack,
)
from adversarial.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from adversarial.datasets import DatasetName, load_dataset, load_test_images, scale
from adversarial.detector import AdversarialDetector, Prediction
from adversarial.errors import DriftMonitorError
from adversarial.evaluation import (
    FPRS,
    Metric,
    attack_metrics,
    defence_metrics,
    drift_metrics,
)
from adversarial.settings import describe_changes, write_json
from adversarial.threat_models import grey_box, uncorrected, undetected, white_box

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Record = dict[str, Any]

ATTACKS: dict[str, Callable[[], Attack]] = {
    "cw": CarliniWagner.paper,
    "cw-log": lambda: CarliniWagner(
        steps=200, learning_rate=0.1, initial_c=1.0, search_steps=5, search="log"
    ),
    "slide": SLIDE.paper,
    "fgsm-0.1": lambda: FGSM(0.1),
    "fgsm-0.2": lambda: FGSM(0.2),
    "fgsm-0.3": lambda: FGSM(0.3),
    "fgsm-0.1-smallest": lambda: FGSM(0.1, steps=1_000),
    "fgsm-0.2-smallest": lambda: FGSM(0.2, steps=1_000),
    "fgsm-0.3-smallest": lambda: FGSM(0.3, steps=1_000),
    "ddn": DDN,
    "pgd-linf-8/255": lambda: PGD(8 / 255),
    "pgd-linf-0.1": lambda: PGD(0.1),
    "pgd-l2-1": lambda: PGD(1.0, norm="l2"),
    "square-0.1": lambda: SquareAttack(0.1),
    "rays": RayS,
}
"""Attacks by name, for images in [0, 1]; both readings of the paper's "1000 iterations" of FGSM."""

THREAT_MODELS: dict[str, Callable[[AdversarialDetector], Criterion]] = {
    "grey-box": grey_box,
    "white-box": white_box,
    "undetected": undetected,
    "uncorrected": uncorrected,
}
"""Threat models by name (`adversarial.threat_models`)."""

SCHEMA = pa.schema(
    [
        ("attack", pa.string()),
        ("threat_model", pa.string()),
        ("defence", pa.string()),
        ("corruption", pa.string()),
        ("severity", pa.int64()),
        ("metric", pa.string()),
        ("fpr", pa.float64()),
        ("policy", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""Of `metrics.parquet`; what does not apply to a number is null, and so is a number of no rows."""


class ExperimentError(DriftMonitorError):
    """An evaluation cannot be run as it was asked for."""


@dataclass(frozen=True)
class Experiment:
    """What is to be evaluated.

    Parameters
    ----------
    attacks : sequence of str
        Names in `ATTACKS`.
    threat_models : sequence of str
        Names in `THREAT_MODELS`; "undetected" uses the detector's own threshold.
    corruptions : sequence of str
        Names in `adversarial.corruptions.CORRUPTIONS`, each at every severity.
    seed : int
        Of attacks, corruptions and intervals.
    """

    attacks: Sequence[str] = ("cw", "slide", "fgsm-0.1")
    threat_models: Sequence[str] = ("grey-box",)
    corruptions: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for what, names, known in (
            ("attack", self.attacks, ATTACKS),
            ("threat model", self.threat_models, THREAT_MODELS),
            ("corruption", self.corruptions, CORRUPTIONS),
        ):
            for name in names:
                if name not in known:
                    raise ExperimentError(f"no {what} {name!r}: expected one of {', '.join(known)}")


def draw_images(
    dataset: DatasetName, data_dir: Path | None, limit: int | None, seed: int
) -> tuple[Rows, Classes]:
    """Return test images in [0, 1] and their classes: all, or so many drawn at random.

    Raises
    ------
    DatasetError
        If the images are not there.
    """
    own = data_dir is not None and any(data_dir.glob("test*.parquet"))
    if data_dir is not None and own:
        images, y = load_test_images(dataset, data_dir)
    else:
        loaded = load_dataset(dataset, data_dir)
        images, y = loaded.x_test, loaded.y_test
    if limit is not None and limit < len(y):
        rows = np.sort(np.random.default_rng(seed).choice(len(y), limit, replace=False))
        images, y = images[rows], y[rows]
    return scale(images), y


def run(
    experiment: Experiment,
    detectors: Mapping[str, AdversarialDetector],
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
        once for all.
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
        The records, with the fields of `SCHEMA`.

    Raises
    ------
    ExperimentError
        If `output` holds a run of another configuration, or something else.
    """
    config = json.loads(json.dumps({**asdict(experiment), "n": len(x), "fprs": FPRS, **about}))
    _claim(output, config)
    clean = {name: detector.predict(x) for name, detector in detectors.items()}
    records = [
        *_attacked(experiment, detectors, clean, x, y, output / "attacks", verbose),
        *_corrupted(experiment, detectors, clean, x, y),
    ]
    table = pa.Table.from_pylist(records, SCHEMA)
    scratch = output / "metrics.parquet.new"
    pq.write_table(table, scratch, compression="zstd")
    scratch.replace(output / "metrics.parquet")
    write_json(output / "metrics.json", {"config": config, "metrics": table.to_pylist()})
    return records


def _attacked(
    experiment: Experiment,
    detectors: Mapping[str, AdversarialDetector],
    clean: Mapping[str, Prediction],
    x: Rows,
    y: Classes,
    directory: Path,
    verbose: bool,
) -> Iterator[Record]:
    classifier = next(iter(detectors.values())).classifier

    def classify(rows: Rows) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = classifier.predict(rows, batch_size=512, verbose=0)
        return probabilities

    probabilities = classify(x)
    for attack_name in experiment.attacks:
        for threat_model in experiment.threat_models:
            found = None
            for defence, detector in detectors.items():
                place = {"attack": attack_name, "threat_model": threat_model}
                if threat_model != "grey-box" or found is None:
                    parts = [attack_name.replace("/", "_"), threat_model]
                    parts += [defence] if threat_model != "grey-box" else []
                    attack = replace(ATTACKS[attack_name](), seed=experiment.seed)
                    found = attack.run(
                        THREAT_MODELS[threat_model](detector),
                        x,
                        y,
                        directory=directory / "-".join(parts),
                        verbose=verbose,
                    )
                    target = {"defence": defence} if threat_model != "grey-box" else {}
                    yield from _records(
                        attack_metrics(probabilities, classify(found.x_adv), found, y),
                        place | target,
                    )
                metrics = defence_metrics(
                    detector, clean[defence], found.x_adv, y, seed=experiment.seed
                )
                yield from _records(metrics, place | {"defence": defence})


def _corrupted(
    experiment: Experiment,
    detectors: Mapping[str, AdversarialDetector],
    clean: Mapping[str, Prediction],
    x: Rows,
    y: Classes,
) -> Iterator[Record]:
    for corruption in experiment.corruptions:
        for severity in SEVERITIES:
            drifted = corrupt(x, corruption, severity, seed=experiment.seed)
            for defence, detector in detectors.items():
                metrics = drift_metrics(detector, clean[defence], drifted, y, seed=experiment.seed)
                place = {"corruption": corruption, "severity": severity, "defence": defence}
                yield from _records(metrics, place)


def _records(metrics: Sequence[Metric], place: Mapping[str, Any]) -> Iterator[Record]:
    for metric in metrics:
        numbers = {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in metric.estimate._asdict().items()
        }
        what = {"metric": metric.name, "fpr": metric.fpr, "policy": metric.policy}
        yield dict.fromkeys(SCHEMA.names) | dict(place) | what | numbers


def _claim(output: Path, config: Record) -> None:
    file = output / "config.json"
    if not file.exists():
        if output.exists() and (output.is_file() or any(output.iterdir())):
            raise ExperimentError(f"{output} holds no evaluation: give another --output")
        output.mkdir(parents=True, exist_ok=True)
        write_json(file, config)
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExperimentError(f"{file} is damaged ({error}): remove {output}") from None
    if changed := describe_changes(found, config):
        raise ExperimentError(
            f"{output} holds an evaluation with other settings ({changed}): give another --output, "
            "or remove it"
        )
