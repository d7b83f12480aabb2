"""Speed and strength of the attacks: this project against Foolbox 3.3, on the same classifier.

    python -m benchmarks.attacks.speed

256 test images and the classifier of the quickstart, with the paper's hyper-parameters for MNIST;
with --dataset mnist, MNIST's and the classifier that `adversarial train --dataset mnist` leaves.
Each attack of this project and Foolbox's take turns in this process, on one TensorFlow. Every round
compiles again, because a compiled step is faster or slower from trace to trace.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import adversarial  # noqa: F401  first, because it turns on oneDNN for the TensorFlow to come

# isort: split
import foolbox
import keras
import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.attacks import DDN, FGSM, SLIDE, Attack, CarliniWagner
from adversarial.attacks.core.logits import logits_of
from adversarial.attacks.named import make_attack
from adversarial.files import cache_directory
from adversarial.paper.datasets import load_dataset, scale
from benchmarks.images import read_pixels
from benchmarks.record import Ratios, ratios, verdict, write_record

N_ROWS = 256
QUICKSTART = Path("examples/fashion_mnist")


@dataclass
class Side:
    """One implementation's rounds."""

    seconds: list[float] = field(default_factory=list)
    success: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    norms: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """L2 norms of the last round."""


@dataclass(frozen=True)
class Contender:
    """An attack of this project, and how much faster than Foolbox's it is to be."""

    name: str
    attack: Attack
    target: float


@dataclass(frozen=True)
class Contest:
    """Attacks of this project, and the one of Foolbox that they are run in turn with."""

    ours: Sequence[Contender]
    theirs: Any
    epsilon: float | None = None


def victims(
    dataset: str, classifier: Path | None, data_dir: Path | None
) -> tuple[keras.Model, NDArray[np.float32], NDArray[np.int64]]:
    """Return the classifier, and the images in [0, 1] and their classes."""
    if dataset == "mnist":
        trained = classifier or cache_directory() / "mnist-cnn" / "classifier.keras"
        if not trained.exists():
            raise SystemExit(f"{trained} is not there: adversarial train --dataset mnist")
        mnist = load_dataset("mnist", data_dir)
        images, y = mnist.x_test, mnist.y_test
    else:
        trained = classifier or QUICKSTART / "detector" / "classifier.keras"
        images = read_pixels(QUICKSTART / "test.parquet")
        y = pq.read_table(QUICKSTART / "test.parquet", columns=["label"])["label"].to_numpy()
    return keras.saving.load_model(trained), scale(images), y.astype(np.int64)


def contests(named: str) -> list[Contest]:
    """Return what is compared, if an attack's name contains `named`."""
    theirs = foolbox.attacks
    every = [
        Contest(
            [
                Contender("C&W, the paper's", CarliniWagner.paper(batch_size=N_ROWS), 3.0),
                Contender("C&W, log c", make_attack("cw-log"), 5.0),
            ],
            theirs.L2CarliniWagnerAttack(
                binary_search_steps=7, steps=200, stepsize=0.1, initial_const=100.0
            ),
        ),
        Contest([Contender("DDN, 100 steps", DDN(), 1.0)], theirs.DDNAttack(steps=100)),
        Contest(
            [Contender("SLIDE, ε = 20", SLIDE(20.0, 10.0), 1.0)],
            theirs.SparseL1DescentAttack(quantile=0.8, steps=10, abs_stepsize=10.0),
            20.0,
        ),
        Contest([Contender("FGSM, ε = 0.2", FGSM(0.2), 1.0)], theirs.LinfFastGradientAttack(), 0.2),
    ]
    return [
        contest for contest in every if any(named in contender.name for contender in contest.ours)
    ]


def run_ours(attack: Attack, classifier: keras.Model) -> Callable[..., Any]:
    """Return what runs an attack of this project."""

    def run(x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Any, Any]:
        result = attack.run(classifier, x, y)
        return result.x_adv, result.success

    return run


def run_theirs(attack: Any, epsilon: float | None, classifier: keras.Model) -> Callable[..., Any]:
    """Return what runs an attack of Foolbox, on logits as ours."""

    def run(x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Any, Any]:
        victim = foolbox.TensorFlowModel(logits_of(classifier), bounds=(0, 1))
        _, x_adv, success = attack(victim, tf.constant(x), tf.constant(y), epsilons=epsilon)
        return x_adv.numpy(), success.numpy()

    return run


def measure(
    contest: Contest, classifier: keras.Model, x: Any, y: Any, rounds: int
) -> tuple[list[Side], Side]:
    """Run all in turn; return the sides of this project's attacks, and of Foolbox's."""
    runs = {ours.name: run_ours(ours.attack, classifier) for ours in contest.ours}
    runs["Foolbox"] = run_theirs(contest.theirs, contest.epsilon, classifier)
    sides = {name: Side() for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            side = sides[name]
            started = time.perf_counter()
            x_adv, side.success = run(x, y)
            side.seconds.append(time.perf_counter() - started)
            side.norms = np.linalg.norm((x_adv - x).reshape(len(x), -1), axis=1).astype(np.float64)
            print(f"round {turn + 1}: {name}, {side.seconds[-1]:.2f} s", file=sys.stderr)
    theirs = sides.pop("Foolbox")
    return list(sides.values()), theirs


def line(contender: Contender, ours: Side, theirs: Side) -> tuple[str, dict[str, Any]]:
    """Return one row of the table, and its figures."""
    speedup: Ratios = ratios(theirs.seconds, ours.seconds)
    both = ours.success & theirs.success
    difference = ours.norms[both] - theirs.norms[both]
    margin = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    mean_l2 = [float(side.norms[side.success].mean()) for side in (ours, theirs)]
    figures = {
        "name": contender.name,
        "ours": repr(contender.attack),
        "seconds": [ours.seconds, theirs.seconds],
        "speedup": speedup._asdict(),
        "target": contender.target,
        "reached": speedup.median >= contender.target,
        "success": [float(ours.success.mean()), float(theirs.success.mean())],
        "mean_l2": mean_l2,
        "paired_l2_difference": float(difference.mean()),
        "margin": float(margin),
    }
    text = (
        f"{contender.name:18}{statistics.median(ours.seconds):8.2f}"
        f"{statistics.median(theirs.seconds):9.2f}   {speedup!s:24}{contender.target:4g}"
        f"{verdict(speedup.median >= contender.target):>9}{ours.success.mean():9.1%}"
        f"{theirs.success.mean():8.1%}{mean_l2[0]:8.3f}{mean_l2[1]:8.3f}"
        f"  {difference.mean():+.4f} ± {margin:.4f}"
    )
    return text, figures


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=["quickstart", "mnist"], default="quickstart")
    parser.add_argument("--classifier", type=Path, help="another classifier of these images")
    parser.add_argument("--data-dir", type=Path, help="directory of MNIST's files")
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument("--attacks", help="only those whose name contains this, such as FGSM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="TensorFlow's; all cores if not given"
    )
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    classifier, x, y = victims(arguments.dataset, arguments.classifier, arguments.data_dir)
    x, y = x[: arguments.rows], y[: arguments.rows]
    classifier(x, training=False)  # what TensorFlow does once is on nobody's account
    result = []
    for contest in contests(arguments.attacks or ""):
        sides, theirs = measure(contest, classifier, x, y, arguments.rounds)
        result += [
            line(contender, side, theirs)
            for contender, side in zip(contest.ours, sides, strict=True)
        ]
    text = "\n".join(
        [
            f"{len(x)} images of {arguments.dataset}, Foolbox {foolbox.__version__}, TensorFlow's "
            f"threads: {arguments.threads}; seconds are medians of {arguments.rounds} rounds, "
            "taken in turn",
            "",
            f"{'':18}{'ours/s':>8}{'theirs/s':>9}   {'times faster':24}{'goal':>4}{'':9}"
            f"{'success':>9}{'theirs':>8}{'L2':>8}{'theirs':>8}  paired difference of L2",
            *(row for row, _ in result),
            "",
            "Times faster: median of the rounds' ratios (least to greatest). L2: mean over the "
            "images on which the attack succeeded; differences with their 95 % interval.",
        ]
    )
    write_record(
        "attacks",
        text,
        {"threads": arguments.threads, "attacks": [figures for _, figures in result]},
    )


if __name__ == "__main__":
    main()
