"""Randomised defences against an attacker who knows them: what an attack without a bound needs.

    python studies/randomised.py run --data-dir DIR [NAME …]
    python studies/randomised.py write

DIR contains `fashion_mnist` and `cifar10`. Attacked images are kept in build/randomised, and a run
that was stopped goes on there. `write` makes `randomised.md` of `randomised.json`.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tables import NAMES, table

from adversarial import AdversarialDetector
from adversarial.attacks import DDN, All, Criterion, Misclassified, Unflagged, score_of
from adversarial.bundle.threshold import threshold_from_scores
from adversarial.evaluation.estimates import percentiles
from adversarial.evaluation.run import WEIGHT_STEPS
from adversarial.files import write_json
from adversarial.paper.datasets import DatasetName, draw_images, load_dataset, scale
from adversarial.paper.recipes import N_REFERENCE

HERE = Path(__file__).parent
RECORD = HERE / "randomised.json"
SCRATCH = HERE.parent / "build" / "randomised"


@dataclass(frozen=True)
class Case:
    """A classifier that is attacked, and its detectors; the others are compared with the first."""

    title: str
    dataset: DatasetName
    detectors: Mapping[str, Path]
    n_images: int


CASES = {
    "quickstart": Case(
        "Fashion-MNIST, the quickstart's classifier",
        "fashion_mnist",
        {"kl": HERE.parent / "examples" / "fashion_mnist" / "detector"},
        100,
    ),
    "resnet56": Case(
        "CIFAR-10, ResNet-56",
        "cifar10",
        {n: HERE / "models" / "cifar10-resnet56" / n for n in ("kl", "kl-t", "kl-hl4")},
        40,
    ),
}
FPR = 0.05
N_NORMAL = 2000
"""Reference images that give a smoothed score its threshold."""
SIGMA, N_NOISE = 0.05, 4
"""Standard deviation of the noise, in units of the pixels' range, and how often it is drawn."""
MARGINS = (1.0, 0.7, 0.4)
"""Shares of the threshold that the attacker aims at: below it, luck is needed less."""
N_TRIES = 20
"""Fresh draws of a defence, of which an attack has to survive half to count."""
N_BOOTSTRAP = 2000
SEED = 0

Images = NDArray[np.float32]
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Defence:
    """A defence, and the attacker who knows all of it but what it draws.

    Attributes
    ----------
    name : str
    criteria : callable
        Given a share of the threshold, what the attacker has to achieve besides M being wrong.
    flags : callable
        Given images and a generator, whether one draw of the defence flags each.
    is_random : bool
    """

    name: str
    criteria: Callable[[float], list[Criterion]]
    flags: Callable[[Images, np.random.Generator], Hits]
    is_random: bool = True


def one(detector: AdversarialDetector) -> Defence:
    """Return the detector as it is."""
    return Defence(
        "one autoencoder",
        lambda share: [Unflagged(detector, share * detector.threshold)],
        lambda x, _: detector.predict(x).flagged,
        is_random=False,
    )


def drawn(by_name: Mapping[str, AdversarialDetector]) -> Defence:
    """Return the defence that asks one of several autoencoders, drawn for each row."""
    detectors = list(by_name.values())

    def flags(x: Images, rng: np.random.Generator) -> Hits:
        each = np.stack([detector.predict(x).flagged for detector in detectors])
        result: Hits = each[rng.integers(len(detectors), size=len(x)), np.arange(len(x))]
        return result

    return Defence(
        f"one of {', '.join(NAMES[name] for name in by_name)}, drawn for each image",
        lambda share: [Unflagged(d, share * d.threshold) for d in detectors],
        flags,
    )


def smoothed(detector: AdversarialDetector, normal: Images) -> Defence:
    """Return the defence that takes the mean of the score over noisy copies of the row."""
    plain = score_of(detector)

    def score(x: tf.Tensor) -> tf.Tensor:
        copies = [x + tf.random.normal(tf.shape(x), stddev=SIGMA) for _ in range(N_NOISE)]
        return tf.reduce_mean(tf.reshape(plain(tf.concat(copies, 0)), (N_NOISE, -1)), axis=0)

    def scores(x: Images) -> NDArray[np.float64]:
        parts = [score(tf.constant(x[i : i + 256])).numpy() for i in range(0, len(x), 256)]
        return np.concatenate(parts).astype(float)

    threshold = threshold_from_scores(scores(normal), FPR)

    def flags(x: Images, rng: np.random.Generator) -> Hits:
        tf.random.set_seed(int(rng.integers(2**31)))
        return scores(x) > threshold

    return Defence(
        f"S as the mean over {N_NOISE} copies with noise (σ = {SIGMA:g})",
        lambda share: [Unflagged(score, share * threshold)],
        flags,
    )


def run(name: str, data_dir: Path) -> dict[str, Any]:
    """Attack every defence of one classifier."""
    case = CASES[name]
    directory = data_dir / case.dataset
    detectors = {n: AdversarialDetector.load(path) for n, path in case.detectors.items()}
    first_detector = next(iter(detectors.values()))
    x, y = draw_images(case.dataset, directory, 10 * case.n_images, SEED)
    right = np.flatnonzero(first_detector.predict(x).prediction == y)[: case.n_images]
    x, y = x[right], y[right]
    normal = scale(load_dataset(case.dataset, directory).x_train[-N_REFERENCE:][:N_NORMAL])
    wrong = Misclassified(first_detector.classifier)
    defences = [one(first_detector), smoothed(first_detector, normal)]
    if len(detectors) > 1:
        defences.append(drawn(detectors))
    unaware = attacked(f"{name}-unaware", wrong, x, y)[0]
    found: list[dict[str, Any]] = []
    first: NDArray[np.float64] | None = None
    for number, defence in enumerate(defences):
        norms = smallest(f"{name}-{number}", defence, wrong, x, y)
        first = norms if first is None else first
        rng = np.random.default_rng(SEED)
        flagged = [defence.flags(unaware, rng).mean() for _ in range(tries(defence))]
        found.append(
            {
                "defence": defence.name,
                "flagged_unaware": float(np.mean(flagged)),
                **summary(norms, first),
            }
        )
        print(found[-1], flush=True)
    unaware_norm = float(np.median(np.linalg.norm((unaware - x).reshape(len(x), -1), axis=1)))
    return {"n": len(x), "unaware_l2": unaware_norm, "defences": found}


def tries(defence: Defence) -> int:
    """Return how often a defence is asked: one that draws nothing always answers the same."""
    return N_TRIES if defence.is_random else 1


def smallest(
    place: str, defence: Defence, wrong: Criterion, x: Images, y: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the smallest L2 norm that ends wrong and unflagged in half of fresh draws, or NaN."""
    best = np.full(len(x), np.nan)
    for share in MARGINS if defence.is_random else MARGINS[:1]:
        criterion = All([wrong, *defence.criteria(share)])
        images, met = attacked(f"{place}-{share:g}", criterion, x, y)
        rng = np.random.default_rng([SEED, 1])
        passed = np.mean([~defence.flags(images, rng) for _ in range(tries(defence))], axis=0)
        norms = np.linalg.norm((images - x).reshape(len(x), -1).astype(float), axis=1)
        best = np.fmin(best, np.where(met & (passed >= 0.5), norms, np.nan))
    return best


def attacked(
    place: str, criterion: Criterion, x: Images, y: NDArray[np.int64]
) -> tuple[Images, Hits]:
    """Return attacked images and where the attack met its criterion, from an earlier run if any."""
    path = SCRATCH / f"{place}.npz"
    if not path.exists():
        result = DDN(weight_steps=WEIGHT_STEPS, seed=SEED).run(criterion, x, y)
        SCRATCH.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, images=result.x_adv, met=result.success)
        partial.replace(path)
    with np.load(path) as kept:
        return kept["images"], kept["met"]


def summary(norms: NDArray[np.float64], first: NDArray[np.float64]) -> dict[str, Any]:
    """Return the share of images beaten, their median norm, and how many times the first's it is.

    The ratio is that of the medians over images which both attacks beat; its interval is by
    bootstrap over images.
    """
    both = np.flatnonzero(np.isfinite(norms) & np.isfinite(first))
    draws = np.random.default_rng(SEED).choice(both, (N_BOOTSTRAP, len(both)))
    ratios = np.median(norms[draws], axis=1) / np.median(first[draws], axis=1)
    low, high = percentiles(ratios)
    return {
        "beaten": float(np.isfinite(norms).mean()),
        "l2": float(np.nanmedian(norms)),
        "ratio": float(np.median(norms[both]) / np.median(first[both])),
        "ratio_low": low,
        "ratio_high": high,
    }


def write(records: dict[str, Any]) -> None:
    """Write `randomised.md`."""
    lines = [
        f"# {(__doc__ or '').splitlines()[0]}",
        "",
        *(__doc__ or "").splitlines()[2:4],
        "",
        f"DDN with {DDN().steps} steps and no bound, on images that the classifier gets right.",
        "The attacker knows everything but what is drawn: the criterion holds for every",
        "autoencoder, or in the mean over noise drawn anew in each step. Of attacks that aim at",
        f"{', '.join(f'{share:g}' for share in MARGINS)} times the threshold, the smallest counts",
        f"that ends wrong and unflagged in at least half of {N_TRIES} fresh draws. Thresholds flag",
        f"{FPR:.0%} of the reference window. Unaware: attacked by DDN without regard to the",
        "detector.",
        "",
    ]
    for name, record in records.items():
        lines += [
            f"## {CASES[name].title}, {record['n']} images",
            "",
            f"Median L2 norm of the unaware attack: {record['unaware_l2']:.2f}.",
            "",
            *table(
                ["defence", "unaware: flagged", "aware: beaten", "median L2", "times the first's"],
                [
                    [
                        row["defence"],
                        f"{row['flagged_unaware']:.0%}",
                        f"{row['beaten']:.0%}",
                        f"{row['l2']:.2f}",
                        f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})",
                    ]
                    for row in record["defences"]
                ],
            ),
        ]
    (HERE / "randomised.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="attack and measure")
    runner.add_argument("names", nargs="*", choices=[*CASES, []], metavar="NAME")
    runner.add_argument("--data-dir", type=Path, required=True, help="as in paper.py")
    commands.add_parser("write", help="write randomised.md")
    arguments = parser.parse_args()
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if arguments.command == "run":
        for name in arguments.names or CASES:
            records[name] = run(name, arguments.data_dir)
            write_json(RECORD, records)
    write(records)


if __name__ == "__main__":
    main()
