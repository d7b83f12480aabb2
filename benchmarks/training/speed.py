"""Speed of training: this project against alibi-detect, one epoch of the same autoencoder.

    python -m benchmarks.training.speed

The paper's Fashion-MNIST autoencoder learns from all 60,000 training images to keep the committed
classifier's predictions: `adversarial.fit_autoencoder`, in float32 and where the CPU is fast in it
in bfloat16, and alibi-detect's `AdversarialAE.fit`, each in a process of its own, in turn. Every
round starts from the same initial weights and newly loaded models, so all that one call costs is in
its time: predicting the targets, compiling graphs.

What no implementation on TensorFlow could go below is measured too, in each precision: a compiled
step that computes M(x), M(AE(x)) and the gradient and nothing else, over the same batches.

All start from the same divergence on images held out from training, and must come to the same
within a quarter of it, or no speed is reported. They shuffle differently, so no two rounds end
alike.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from adversarial.models.autoencoders import image_autoencoder
from adversarial.paper.datasets import load_dataset
from adversarial.training.mixed_precision import bfloat16_is_fast
from benchmarks.images import DIRECTORY, write_array
from benchmarks.peers import alibi_detect_python
from benchmarks.record import Ratios, ratios, verdict, write_record
from benchmarks.workers import Worker

BATCH_SIZE = 128
SEED = 20
START_TOLERANCE = 1e-4
"""Nats: the same weights are scored."""
END_TOLERANCE = 0.25
"""Share of the greater divergence after training; each the median of its rounds."""
TARGETS = {"float32": 2.0, "bfloat16": 4.0}
"""Times faster than the peer, by what this project trains in."""
BARE_TARGET = 0.9
"""Share of the bare step's speed, in either precision."""


@dataclass
class Side:
    """One of the two, and its rounds."""

    name: str
    tensorflow: str
    precision: str = ""
    """What it trained in."""
    untrained: float = float("nan")
    """Mean divergence of the held-out images before training, in nats."""
    trained: list[float] = field(default_factory=list)
    """The same after each round's epoch."""
    seconds: list[float] = field(default_factory=list)
    """Of each round's epoch."""
    bare: list[float] = field(default_factory=list)
    """Seconds of the same epoch by bare steps; none of the peer."""


def initial_autoencoder(shape: tuple[int, ...]) -> Path:
    """Write the paper's autoencoder before training, and return its file."""
    keras.utils.set_random_seed(SEED)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = DIRECTORY / "autoencoder-untrained.keras"
    image_autoencoder(shape).save(path)
    return path


def measure(workers: Sequence[Worker], rounds: int) -> list[Side]:
    """Check that all start from the same weights, and train them in turn; the peer is the last."""
    sides = [Side(**worker.ask("about").value) for worker in workers]
    for worker, side in zip(workers, sides, strict=True):
        worker.ask("reset")
        side.untrained = worker.ask("divergence").value
    for ours in sides[:-1]:
        check_start(ours, sides[-1])

    for turn in range(rounds):
        for worker, side in zip(workers, sides, strict=True):
            worker.ask("reset")
            answer = worker.ask("train")
            side.precision = answer.value
            side.seconds.append(answer.seconds)
            side.trained.append(worker.ask("divergence").value)
            print(
                f"round {turn + 1}: {side.name} in {side.precision}: {side.seconds[-1]:.1f} s to "
                f"{side.trained[-1]:.3f} nats",
                file=sys.stderr,
            )
            if side is not sides[-1]:
                worker.ask("reset")
                worker.ask("prepare_bare")
                side.bare.append(worker.ask("bare").seconds)
                print(f"round {turn + 1}: bare steps: {side.bare[-1]:.1f} s", file=sys.stderr)
    return sides


def check_start(ours: Side, peer: Side) -> None:
    """Leave unless both start from the same weights."""
    if not abs(ours.untrained - peer.untrained) <= START_TOLERANCE:
        raise SystemExit(
            f"before training, the mean divergences are {ours.untrained:.6f} and "
            f"{peer.untrained:.6f} nats: expected the same within {START_TOLERANCE:g}; the two do "
            "not train the same models, so their speeds say nothing"
        )


def check_learning(ours: Side, peer: Side, tolerance: float) -> float:
    """Return by how much the two differ after training, or leave if it is too much.

    Returns
    -------
    float
        Difference of the median divergences, as a share of the greater one.
    """
    ends = [statistics.median(side.trained) for side in (ours, peer)]
    difference = abs(ends[0] - ends[1]) / max(ends)
    if not difference <= tolerance:
        raise SystemExit(
            f"after training, the mean divergences are {ends[0]:.3f} and {ends[1]:.3f} nats, which "
            f"differ by {difference:.0%}, more than {tolerance:.0%}: the two do not learn the "
            "same thing, so their speeds say nothing"
        )
    return difference


def table(
    rows: int,
    sides: list[Side],
    speedups: dict[str, Ratios],
    shares: dict[str, Ratios],
    difference: float,
) -> str:
    """Return the text of the result."""
    header = f"{'':24}{'s/epoch':>10}{'nats before':>13}{'after':>8}{'precision':>11}"
    lines = [
        f"{side.name:24}{statistics.median(side.seconds):10,.1f}{side.untrained:13.3f}"
        f"{statistics.median(side.trained):8.3f}{side.precision:>11}{side.tensorflow:>12}"
        for side in sides
    ]
    return "\n".join(
        [
            f"One epoch of {rows:,} images in batches of {BATCH_SIZE}, same initial weights; "
            f"median of {len(sides[0].seconds)} rounds, taken in turn",
            "",
            f"{header}{'TensorFlow':>12}",
            *lines,
            "",
            "Times faster than the peer: median of the rounds' ratios (least to greatest)",
            *(
                f"{precision:10}{speedup}; target {TARGETS[precision]:g}: "
                f"{verdict(speedup.median >= TARGETS[precision])}"
                for precision, speedup in speedups.items()
            ),
            "",
            "Share of the bare compiled step's speed",
            *(
                f"{precision:10}{share}; goal {BARE_TARGET:g}: "
                f"{verdict(share.median >= BARE_TARGET)}"
                for precision, share in shares.items()
            ),
            "",
            *(["This CPU has no units for bfloat16."] if "bfloat16" not in speedups else []),
            f"Divergences of held-out images after training agree within {difference:.0%} "
            f"(tolerance {END_TOLERANCE:.0%}).",
        ]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--classifier",
        type=Path,
        default=Path("examples/fashion_mnist/detector/classifier.keras"),
    )
    parser.add_argument("--data-dir", type=Path, help="directory of Fashion-MNIST's files")
    parser.add_argument(
        "--rows",
        type=int,
        help="train on the first rows only, to try it out; they may end at different divergences",
    )
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    dataset = load_dataset("fashion_mnist", arguments.data_dir)
    pixels = dataset.x_train[: arguments.rows]
    peer_python = alibi_detect_python()
    inputs = [
        str(arguments.classifier),
        str(initial_autoencoder(pixels.shape[1:])),
        str(write_array("training", pixels)),
        str(write_array("held-out", dataset.x_test)),
        str(BATCH_SIZE),
    ]
    precisions = ["float32", *(["bfloat16"] if bfloat16_is_fast() else [])]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker([str(python), "-m", f"benchmarks.training.{script}", *inputs, precision])
            )
            for python, script, precision in [
                *((sys.executable, "ours", precision) for precision in precisions),
                (peer_python, "alibi_detect", "float32"),
            ]
        ]
        sides = measure(workers, arguments.rounds)

    *ours, peer = sides
    tolerance = END_TOLERANCE if arguments.rows is None else math.inf
    difference = max(check_learning(side, peer, tolerance) for side in ours)
    speedups = {side.precision: ratios(peer.seconds, side.seconds) for side in ours}
    shares = {side.precision: ratios(side.bare, side.seconds) for side in ours}
    figures: dict[str, Any] = {
        "rows": len(pixels),
        "batch_size": BATCH_SIZE,
        "sides": [asdict(side) for side in sides],
        "speedups": {
            precision: speedup._asdict()
            | {"target": TARGETS[precision], "reached": speedup.median >= TARGETS[precision]}
            for precision, speedup in speedups.items()
        },
        "shares_of_bare_step": {
            precision: share._asdict()
            | {"target": BARE_TARGET, "reached": share.median >= BARE_TARGET}
            for precision, share in shares.items()
        },
        "divergence_difference": difference,
        "divergence_tolerance": END_TOLERANCE,
    }
    write_record("training", table(len(pixels), sides, speedups, shares, difference), figures)


if __name__ == "__main__":
    main()
