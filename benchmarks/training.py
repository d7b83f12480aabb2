"""Speed of training: this project against alibi-detect, one epoch of the same autoencoder.

    python benchmarks/training.py

The paper's Fashion-MNIST autoencoder learns from all 60,000 training images to keep the committed
classifier's predictions: `adversarial.training.fit_autoencoder` and alibi-detect's
`AdversarialAE.fit`, each in a process of its own, in turn. Every round starts from the same initial
weights and newly loaded models, so all that one call costs is in its time: predicting the targets,
compiling graphs.

Both start from the same divergence on images held out from training, and must come to the same
within a quarter of it, or no speed is reported. They shuffle differently, so no two rounds end
alike.
"""

import argparse
import statistics
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
from images import DIRECTORY, write_array
from peers import alibi_detect_python
from record import Ratios, cpuinfo, ratios, verdict, write_record
from workers import Worker

from adversarial.architectures import image_autoencoder
from adversarial.datasets import load_dataset
from adversarial.precision import CPU_FLAGS

BATCH_SIZE = 128
SEED = 20
START_TOLERANCE = 1e-4
"""Nats: the same weights are scored."""
END_TOLERANCE = 0.25
"""Share of the greater divergence after training; each the median of its rounds."""
TARGET = 2.0
BFLOAT16_TARGET = 4.0
HERE = Path(__file__).parent


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


def initial_autoencoder(shape: tuple[int, ...]) -> Path:
    """Write the paper's autoencoder before training, and return its file."""
    keras.utils.set_random_seed(SEED)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = DIRECTORY / "autoencoder-untrained.keras"
    image_autoencoder(shape).save(path)
    return path


def target_speedup(precision: str) -> tuple[float, str]:
    """Return the target and why it applies, given what this project trained in."""
    has_bfloat16 = not CPU_FLAGS.isdisjoint(cpuinfo("flags").split())
    if has_bfloat16 and precision == "bfloat16":
        return BFLOAT16_TARGET, "trained in bfloat16, which this CPU has"
    cpu = "has" if has_bfloat16 else "has no"
    return TARGET, f"trained in {precision}; this CPU {cpu} bfloat16"


def measure(workers: tuple[Worker, Worker], rounds: int) -> tuple[Side, Side]:
    """Check that both start from the same weights, and train them in turn."""
    ours, peer = (Side(**worker.ask("about").value) for worker in workers)
    for worker, side in zip(workers, (ours, peer), strict=True):
        worker.ask("reset")
        side.untrained = worker.ask("divergence").value
    check_start(ours, peer)

    for turn in range(rounds):
        for worker, side in zip(workers, (ours, peer), strict=True):
            worker.ask("reset")
            answer = worker.ask("train")
            side.precision = answer.value
            side.seconds.append(answer.seconds)
            side.trained.append(worker.ask("divergence").value)
        print(
            f"round {turn + 1}: {ours.seconds[-1]:.1f} s to {ours.trained[-1]:.3f} nats, "
            f"{peer.seconds[-1]:.1f} s to {peer.trained[-1]:.3f} nats",
            file=sys.stderr,
        )
    return ours, peer


def check_start(ours: Side, peer: Side) -> None:
    """Leave unless both start from the same weights."""
    if not abs(ours.untrained - peer.untrained) <= START_TOLERANCE:
        raise SystemExit(
            f"before training, the mean divergences are {ours.untrained:.6f} and "
            f"{peer.untrained:.6f} nats: expected the same within {START_TOLERANCE:g}; the two do "
            "not train the same models, so their speeds say nothing"
        )


def check_learning(ours: Side, peer: Side) -> float:
    """Return by how much the two differ after training, or leave if it is too much.

    Returns
    -------
    float
        Difference of the median divergences, as a share of the greater one.
    """
    ends = [statistics.median(side.trained) for side in (ours, peer)]
    difference = abs(ends[0] - ends[1]) / max(ends)
    if not difference <= END_TOLERANCE:
        raise SystemExit(
            f"after training, the mean divergences are {ends[0]:.3f} and {ends[1]:.3f} nats, which "
            f"differ by {difference:.0%}, more than {END_TOLERANCE:.0%}: the two do not learn the "
            "same thing, so their speeds say nothing"
        )
    return difference


def table(
    rows: int, ours: Side, peer: Side, speedup: Ratios, target: tuple[float, str], difference: float
) -> str:
    """Return the text of the result."""
    header = f"{'':24}{'s/epoch':>10}{'nats before':>13}{'after':>8}{'precision':>11}"
    lines = [
        f"{side.name:24}{statistics.median(side.seconds):10,.1f}{side.untrained:13.3f}"
        f"{statistics.median(side.trained):8.3f}{side.precision:>11}{side.tensorflow:>12}"
        for side in (ours, peer)
    ]
    return "\n".join(
        [
            f"One epoch of {rows:,} images in batches of {BATCH_SIZE}, same initial weights; "
            f"median of {len(ours.seconds)} rounds, taken in turn",
            "",
            f"{header}{'TensorFlow':>12}",
            *lines,
            "",
            f"{speedup} times faster: median of the rounds' ratios (least to greatest).",
            f"Target {target[0]:g} ({target[1]}): {verdict(speedup.median >= target[0])}.",
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
        "--precision", default="auto", help="of this project: auto, float32 or bfloat16"
    )
    parser.add_argument("--rows", type=int, help="train on the first so many only, to try it out")
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
        arguments.precision,
    ]
    with (
        Worker([sys.executable, str(HERE / "training_ours.py"), *inputs]) as ours_worker,
        Worker([str(peer_python), str(HERE / "training_alibi_detect.py"), *inputs]) as peer_worker,
    ):
        ours, peer = measure((ours_worker, peer_worker), arguments.rounds)

    difference = check_learning(ours, peer)
    speedup = ratios(peer.seconds, ours.seconds)
    target = target_speedup(ours.precision)
    figures: dict[str, Any] = {
        "rows": len(pixels),
        "batch_size": BATCH_SIZE,
        "ours": asdict(ours),
        "peer": asdict(peer),
        "speedup": speedup._asdict(),
        "target": target[0],
        "target_reason": target[1],
        "reached": speedup.median >= target[0],
        "divergence_difference": difference,
        "divergence_tolerance": END_TOLERANCE,
    }
    write_record("training", table(len(pixels), ours, peer, speedup, target, difference), figures)


if __name__ == "__main__":
    main()
