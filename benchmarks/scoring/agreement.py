"""Agreement of scores: this project against alibi-detect, same weights, same images, float32.

    python -m benchmarks.scoring.agreement

The adversarial score of one image is one number, whoever computes it: the two implementations of
the paper's detector must give it alike, before any comparison of their speeds says something.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import read_pixels, write_array
from benchmarks.record import verdict, write_record
from benchmarks.scoring.scorers import scorers

TARGET = 1e-5


class Agreement(NamedTuple):
    """Absolute differences of two detectors' scores, in nats."""

    largest: float
    mean: float
    row: int
    """Row of the largest difference."""
    scores: tuple[float, float]
    """The two scores of that row."""


def agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> Agreement:
    """Compare the scores of the same rows; a score that is not a number makes `largest` one too."""
    difference = np.abs(a - b)
    row = int(difference.argmax())
    scores = (float(a[row]), float(b[row]))
    return Agreement(float(difference[row]), float(difference.mean()), row, scores)


def table(n_images: int, sides: list[dict[str, Any]], found: Agreement) -> str:
    """Return the text of the result."""
    header = f"{'':36}{'mean score':>12}{f'score of image {found.row:,}':>24}{'version':>12}"
    lines = [
        f"{side['name']:36}{side['mean_score']:12.6f}{score:24.6f}"
        f"{side['version'].split('-')[0]:>12}"
        for side, score in zip(sides, found.scores, strict=True)
    ]
    return "\n".join(
        [
            f"Scores of {n_images:,} images, same weights, float32",
            "",
            header,
            *lines,
            "",
            f"Largest absolute difference {found.largest:.2g} nats, at image {found.row:,}; mean "
            f"{found.mean:.2g}.",
            f"Target {TARGET:g}: {verdict(found.largest <= TARGET)}.",
        ]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    arguments = parser.parse_args()

    pixels = read_pixels(arguments.images)
    choice = ("openvino", "float32")
    with scorers(arguments.detector, write_array("scoring", pixels), [choice]) as (ours, peer):
        workers = [*ours, peer]
        sides: list[dict[str, Any]] = [worker.ask("about").value for worker in workers]
        scores = [np.asarray(worker.ask("score").value) for worker in workers]
    result = agreement(scores[0], scores[1])

    for side, found in zip(sides, scores, strict=True):
        side["mean_score"] = float(found.mean())
    write_record(
        "score_agreement",
        table(len(pixels), sides, result),
        {
            "n_images": len(pixels),
            "ours": sides[0],
            "peer": sides[1],
            "difference": result._asdict(),
            "target": TARGET,
            "reached": result.largest <= TARGET,
        },
    )


if __name__ == "__main__":
    main()
