"""Speed of scoring: this project against alibi-detect, same weights, same images, float32.

    python -m benchmarks.scoring.speed

Both have the paper's detector; alibi-detect's is `alibi_detect.ad.AdversarialAE`. Each runs in a
process of its own, loaded and warmed up; then they score all images in turn, so that whatever else
slows the machine slows both. Their scores must agree, or nothing is measured.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import read_pixels, write_array
from benchmarks.record import Ratios, ratios, verdict, write_record
from benchmarks.scoring.scorers import scorers
from benchmarks.workers import Worker

TARGET = 1.4
TOLERANCE = 1e-4


def check_agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest difference of two detectors' scores, or leave if it is too large."""
    difference = float(np.abs(a - b).max())
    if not difference <= TOLERANCE:
        raise SystemExit(
            f"the scores differ by up to {difference:.2g}, more than {TOLERANCE:g}: the two do not "
            "compute the same thing, so their speeds say nothing"
        )
    return difference


def measure(ours: Worker, peer: Worker, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of each pass of both, taken in turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for worker, result in zip((ours, peer), seconds, strict=True):
            result.append(worker.ask("score").seconds)
        print(f"round {turn + 1}: {seconds[0][-1]:.2f} s, {seconds[1][-1]:.2f} s", file=sys.stderr)
    return seconds


def table(n_images: int, sides: list[dict[str, Any]], speedup: Ratios, difference: float) -> str:
    """Return the text of the result."""
    lines = [f"{'':24}{'images/s':>10}{'batch size':>12}{'TensorFlow':>12}"]
    lines += [
        f"{side['name']:24}{side['images_per_second']:10,.0f}{side['batch_size']:12,}"
        f"{side['tensorflow']:>12}"
        for side in sides
    ]
    rounds = len(sides[0]["seconds"])
    return "\n".join(
        [
            f"Scoring {n_images:,} images, same weights, float32; median of {rounds} rounds, taken "
            "in turn",
            "",
            *lines,
            "",
            f"{speedup} times faster: median of the rounds' ratios (least to greatest).",
            f"Target {TARGET}: {verdict(speedup.median >= TARGET)}. "
            f"Scores agree within {difference:.1g}.",
        ]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    pixels = read_pixels(arguments.images)
    images = write_array("scoring", pixels)

    with scorers(arguments.detector, images) as workers:
        sides: list[dict[str, Any]] = [worker.ask("about").value for worker in workers]
        scores = [np.asarray(worker.ask("score").value) for worker in workers]
        difference = check_agreement(scores[0], scores[1])
        seconds = measure(*workers, arguments.rounds)

    for side, result in zip(sides, seconds, strict=True):
        side |= {"seconds": result, "images_per_second": len(pixels) / statistics.median(result)}
    speedup = ratios(seconds[1], seconds[0])
    write_record(
        "scoring",
        table(len(pixels), sides, speedup, difference),
        {
            "n_images": len(pixels),
            "ours": sides[0],
            "peer": sides[1],
            "speedup": speedup._asdict(),
            "target": TARGET,
            "reached": speedup.median >= TARGET,
            "largest_score_difference": difference,
        },
    )


if __name__ == "__main__":
    main()
