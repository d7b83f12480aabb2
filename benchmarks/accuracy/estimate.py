"""Accuracy estimated without labels: this project, NannyML's CBPE, ATC, average confidence.

    python -m benchmarks.accuracy.estimate

Each cell holds different Fashion-MNIST test images, with one corruption of CIFAR-10-C at one of
five severities. Our estimator never estimates a kind of corruption that it has seen: one is fitted
on noise and digital corruptions and judged on blur and weather, and another the other way round.
The peers are fitted on the same clean reference images, which is all they can use. CBPE runs in an
environment of its own.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import ATTACKS
from adversarial.calibration.calibration_rows import calibration_rows
from adversarial.corruptions import corrupt
from adversarial.detector.detector import AdversarialDetector
from benchmarks.accuracy.estimators import (
    Estimate,
    average_confidence,
    fit_estimator,
    thresholded_confidence,
    without_reconstruction,
    without_score,
)
from benchmarks.images import DIRECTORY, read_pixels
from benchmarks.peers import nannyml_python
from benchmarks.record import verdict, write_record

KINDS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog", "spatter", "brightness"),
}
HALVES = (KINDS["noise"] + KINDS["digital"], KINDS["blur"] + KINDS["weather"])
SEVERITIES = (1, 2, 3, 4, 5)
OURS = "drift-monitor"
RESAMPLES = 10_000


class Cell(NamedTuple):
    """Test images corrupted in one way, scored.

    Attributes
    ----------
    family : str
        The corruption.
    severity : int
        1 to 5.
    table : pyarrow.Table
        The columns of `Prediction.to_table` and `label`.
    probabilities : (n, n_classes) float32
        M(x), which only CBPE needs whole.
    """

    family: str
    severity: int
    table: pa.Table
    probabilities: NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """The true accuracy."""
        return float(
            np.mean(np.asarray(self.table["prediction"]) == np.asarray(self.table["label"]))
        )


def read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images in [0, 1] and their classes."""
    images = np.divide(read_pixels(path), 255, dtype=np.float32)
    return images, pq.read_table(path, columns=["label"])["label"].to_numpy()


def scored(
    detector: AdversarialDetector, family: str, severity: int, x: NDArray[np.float32], y: Any
) -> Cell:
    """Return images that were corrupted as a cell."""
    names = pa.array(detector.class_names)
    table = detector.predict(x).to_table(detector.class_names)
    table = table.append_column("label", names.take(pa.array(y)))
    p = detector.classifier.predict(x, batch_size=512, verbose=0)
    return Cell(family, severity, table, p)


def judged_cells(
    detector: AdversarialDetector, x: NDArray[np.float32], y: NDArray[np.int64], rows: int
) -> list[Cell]:
    """Return the cells, each of images of its own drawing."""
    cells = []
    for number, family in enumerate(family for half in HALVES for family in half):
        for severity in SEVERITIES:
            drawn = np.random.default_rng([number, severity]).choice(len(x), rows, replace=False)
            changed = corrupt(x[drawn], family, severity, seed=1)
            cells.append(scored(detector, family, severity, changed, y[drawn]))
        print(f"{family}: {cells[-5].accuracy:.3f} to {cells[-1].accuracy:.3f}", flush=True)
    return cells


def cbpe(reference: Cell, cells: list[Cell], class_names: Sequence[str]) -> list[Estimate]:
    """Return CBPE's estimate of each cell."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    paths = [DIRECTORY / f"accuracy_{name}.parquet" for name in ("reference", "current")]
    for path, group in zip(paths, ([reference], cells), strict=True):
        p = np.concatenate([cell.probabilities for cell in group])
        columns = {f"p{name}": p[:, number] for number, name in enumerate(class_names)}
        for name in ("prediction", "label"):
            columns[name] = pa.concat_arrays(
                [chunk for cell in group for chunk in cell.table[name].chunks]
            )
        pq.write_table(pa.table(columns), path)
    worker = "benchmarks.accuracy.nannyml"
    command = [nannyml_python(), "-m", worker, *paths, len(cells[0].table)]
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"NML_DISABLE_USAGE_LOGGING": "1"},
    )
    return [Estimate(value) for value in json.loads(done.stdout.splitlines()[-1])]


def estimates(
    detector: AdversarialDetector,
    reference: Cell,
    images: tuple[NDArray[np.float32], NDArray[np.int64]],
    cells: list[Cell],
) -> dict[str, list[Estimate]]:
    """Return each estimator's estimate of each cell, ours by the one that has not seen its kind."""
    table, names = reference.table, detector.class_names
    peers = {
        "average confidence": average_confidence(),
        "ATC, max. confidence": thresholded_confidence(
            table, lambda rows: rows["confidence"].to_numpy()
        ),
        "ATC, neg. entropy": thresholded_confidence(
            table, lambda rows: -rows["entropy"].to_numpy()
        ),
    }
    changed = [calibration_rows(detector, *images, families=half + ATTACKS) for half in HALVES]
    result: dict[str, list[Estimate]] = {}
    for name, view in {
        OURS: lambda rows: rows,
        "… without the score": without_score,
        "… without the autoencoder": without_reconstruction,
    }.items():
        fitted = [fit_estimator(view(table), view(rows), names) for rows in changed]
        # Cells of the first half are judged by the estimator of the second, and vice versa.
        result[name] = [fitted[cell.family in HALVES[0]](view(cell.table)) for cell in cells]
    result["NannyML 0.13 CBPE"] = cbpe(reference, cells, names)
    return result | {name: [peer(cell.table) for cell in cells] for name, peer in peers.items()}


def mean_with_interval(errors: NDArray[np.float64]) -> list[float]:
    """Return the mean over cells and its 95 % bootstrap interval over families of cells.

    Severities of one corruption are alike, so that whole families are drawn.
    """
    families = errors.reshape(-1, len(SEVERITIES)).mean(axis=1)
    drawn = np.random.default_rng(0).integers(0, len(families), (RESAMPLES, len(families)))
    low, high = np.quantile(families[drawn].mean(axis=1), [0.025, 0.975])
    return [float(errors.mean()), float(low), float(high)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", type=Path, default=Path("examples/fashion_mnist"))
    parser.add_argument("--rows", type=int, default=500, help="test images in a cell")
    arguments = parser.parse_args()

    detector = AdversarialDetector.load(arguments.example / "detector")
    images = read(arguments.example / "reference.parquet")
    reference = scored(detector, "clean", 0, *images)
    x, y = read(arguments.example / "test.parquet")
    cells = judged_cells(detector, x, y, arguments.rows)
    result = estimates(detector, reference, images, cells)

    truth = np.array([cell.accuracy for cell in cells])
    errors = {name: np.array([e.accuracy for e in made]) - truth for name, made in result.items()}
    means = {name: mean_with_interval(np.abs(error)) for name, error in errors.items()}
    excess = {
        name: mean_with_interval(np.abs(error) - np.abs(errors[OURS]))
        for name, error in errors.items()
        if name != OURS
    }
    deviations = np.array([e.deviation for e in result[OURS]])
    covered = float(np.mean(np.abs(errors[OURS]) <= 1.96 * deviations))
    width = float(np.mean(1.96 * deviations))
    peers = [name for name in excess if not name.startswith("…")]
    reached = all(excess[name][1] > 0 for name in peers)

    lines = [f"{'':28}{'points':>8}{'95 %':>16}{'bias':>8}{'more than ours':>26}"]
    for name, (mean, low, high) in means.items():
        interval = f"{100 * low:.2f} to {100 * high:.2f}"
        more = ""
        if name != OURS:
            by, least, most = (100 * value for value in excess[name])
            more = f"{by:+.2f} ({least:+.2f} to {most:+.2f})"
        lines.append(
            f"{name:28}{100 * mean:8.2f}{interval:>16}{100 * errors[name].mean():+8.2f}{more:>26}"
        )
    text = "\n".join(
        [
            f"Mean absolute error of estimated accuracy over {len(cells)} cells of "
            f"{arguments.rows:,} Fashion-MNIST test images",
            f"(true accuracy {truth.min():.1%} to {truth.max():.1%}), of kinds of corruption that "
            "our estimator has not seen",
            "",
            *lines,
            "",
            "Intervals: bootstrap over the corruptions.",
            f"Target, less than every peer beyond its interval: {verdict(reached)}.",
            f"Our estimator's own 95 % interval, ±{100 * width:.1f} points on average, contains "
            f"the true accuracy in {covered:.1%} of the cells.",
        ]
    )
    write_record(
        "accuracy_estimate",
        text,
        {
            "rows_per_cell": arguments.rows,
            "mean_absolute_error": means,
            "more_than_ours": excess,
            "coverage": covered,
            "mean_half_width": width,
            "reached": reached,
            "cells": [
                {"corruption": cell.family, "severity": cell.severity, "accuracy": cell.accuracy}
                | {name: made[number].accuracy for name, made in result.items()}
                for number, cell in enumerate(cells)
            ],
        },
    )


if __name__ == "__main__":
    main()
