"""Speed of scoring: this project against alibi-detect, same weights, same images.

    python -m benchmarks.scoring.speed

Both have the paper's detector; alibi-detect's is `alibi_detect.ad.AdversarialAE`, which computes in
float32. This project scores by OpenVINO in float32 and, where the processor has it, in bfloat16,
and by TensorFlow. Each runs in a process of its own, loaded and warmed up; then they score all
images in turn, so that whatever else slows the machine slows all alike. The scores in float32 must
agree, or nothing is measured.

The detectors are the quickstart's, on its test images, and the paper's for CIFAR-10's ResNet-56, on
the reference images that its bundle keeps, over and over.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.read import read_bundle
from adversarial.runtimes.openvino_runtime import supports_bfloat16
from benchmarks.images import DIRECTORY, read_pixels, write_array
from benchmarks.record import cpuinfo, ratios, verdict, write_record
from benchmarks.scoring.scorers import Choice, scorers, with_graph
from benchmarks.workers import Worker

FLOAT32_TARGET = 1.3
BFLOAT16_TARGETS = {"amx_bf16": 6.0, "avx512_bf16": 2.3}
"""By what the processor has for it, best first."""
TOLERANCE = 1e-4


class Case(NamedTuple):
    """A detector and its images."""

    name: str
    detector: Path
    images: Path
    """.npy file."""
    n: int


def target_of(choice: Choice) -> float | None:
    """Return how many times faster than the peer a runtime is to be; None where nothing is said."""
    if choice == ("openvino", "float32"):
        return FLOAT32_TARGET
    if choice == ("openvino", "bfloat16"):
        flags = set(cpuinfo("flags").split())
        return next((goal for flag, goal in BFLOAT16_TARGETS.items() if flag in flags), None)
    return None


def check_agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest difference of two detectors' scores, or leave if it is too large."""
    difference = float(np.abs(a - b).max())
    if not difference <= TOLERANCE:
        raise SystemExit(
            f"the scores differ by up to {difference:.2g}, more than {TOLERANCE:g}: the two do not "
            "compute the same thing, so their speeds say nothing"
        )
    return difference


def measure(workers: Sequence[Worker], rounds: int) -> list[list[float]]:
    """Return the seconds of each worker's passes, taken in turn."""
    seconds: list[list[float]] = [[] for _ in workers]
    for turn in range(rounds):
        for worker, result in zip(workers, seconds, strict=True):
            result.append(worker.ask("score").seconds)
        times = ", ".join(f"{each[-1]:.2f} s" for each in seconds)
        print(f"round {turn + 1}: {times}", file=sys.stderr)
    return seconds


def compare(case: Case, choices: Sequence[Choice], rounds: int) -> tuple[list[str], dict[str, Any]]:
    """Return the lines and the figures of a case."""
    with scorers(case.detector, case.images, choices) as (ours, peer):
        workers = [*ours, peer]
        sides: list[dict[str, Any]] = [worker.ask("about").value for worker in workers]
        scores = [np.asarray(worker.ask("score").value) for worker in workers]
        difference = max(
            check_agreement(found, scores[-1])
            for side, found in zip(sides, scores, strict=True)
            if side["precision"] == "float32"
        )
        seconds = measure(workers, rounds)

    lines = [
        f"{case.name}: {case.n:,} images, same weights; median of {rounds} rounds, taken in turn",
        "",
        f"{'':42}{'images/s':>10}{'batch':>7}{'version':>10}{'times faster':>22}{'goal':>6}",
    ]
    for side, taken, choice in zip(sides, seconds, [*choices, None], strict=True):
        side |= {"seconds": taken, "images_per_second": case.n / statistics.median(taken)}
        line = (
            f"{side['name']:42}{side['images_per_second']:10,.0f}{side['batch_size']:7,}"
            f"{side['version'].split('-')[0]:>10}"
        )
        if choice:
            speedup, target = ratios(seconds[-1], taken), target_of(choice)
            side |= {"speedup": speedup._asdict(), "target": target}
            line += f"{speedup!s:>22}"
            if target is not None:
                side["reached"] = speedup.median >= target
                line += f"{target:6g} {verdict(side['reached'])}"
        lines.append(line)
    lines += ["", f"Scores in float32 agree within {difference:.1g}."]
    lines += [f"* Not used for this bundle: {s['refused']}." for s in sides if s.get("refused")]
    lines.append("")
    figures = {"n_images": case.n, "sides": sides, "largest_score_difference": difference}
    return lines, figures


def repeated_sample(detector: Path, n: int) -> Path:
    """Write the reference images that a bundle keeps, over and over, and return their file."""
    sample = read_bundle(detector).runtime_sample()
    if sample is None:
        raise SystemExit(f"{detector} keeps no reference images")
    path = DIRECTORY / "scoring-resnet56.npy"
    np.save(path, np.resize(sample.x, (n, *sample.x.shape[1:])))
    return path


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    parser.add_argument("--rows", type=int, help="score the first images only, to try it out")
    parser.add_argument(
        "--resnet", type=Path, default=Path("studies/models/cifar10-resnet56/kl"), metavar="BUNDLE"
    )
    parser.add_argument("--resnet-rows", type=int, default=2_048, help="0 leaves this one out")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    pixels = read_pixels(arguments.images)[: arguments.rows]
    quickstart = with_graph(arguments.detector)
    cases = [Case("Fashion-MNIST", quickstart, write_array("scoring", pixels), len(pixels))]
    if arguments.resnet_rows:
        resnet = with_graph(arguments.resnet)
        images = repeated_sample(resnet, arguments.resnet_rows)
        cases.append(Case("CIFAR-10, ResNet-56", resnet, images, arguments.resnet_rows))

    choices: list[Choice] = [("openvino", "float32"), ("tensorflow", "float32")]
    if supports_bfloat16():
        choices.insert(0, ("openvino", "bfloat16"))
    lines: list[str] = []
    figures: dict[str, Any] = {}
    for case in cases:
        text, figures[case.name] = compare(case, choices, arguments.rounds)
        lines += text
    lines.append(
        "Times faster than alibi-detect: median of the rounds' ratios (least to greatest)."
    )
    write_record("scoring", "\n".join(lines), {"cases": figures})


if __name__ == "__main__":
    main()
