"""The paper's numbers, the goals for ours, and what ours are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runs import MAIN
from tables import FPR, NAMES, number, read, select

from adversarial.evaluation.read import Record


@dataclass(frozen=True)
class Goal:
    """A number of the paper, and the goal for ours."""

    what: str
    paper: str
    to_reach: str
    run: str
    number: dict[str, Any]
    """Fields of its record in the run's metrics."""
    is_reached: Callable[[float], bool] | None = None
    """None if there is no goal."""


READINGS: dict[str, dict[str, Any]] = {
    "flagged corrected": {"metric": "accuracy_defended", "fpr": FPR},
    "all corrected": {"metric": "accuracy_reconstructed"},
}
"""What the paper's accuracy with a defence may mean: its Figure 2, or M(AE(x)) of every image."""


CLEAN = {
    "mnist": ("MNIST", "–"),
    "fashion_mnist": ("Fashion-MNIST", ".9362"),
    "cifar10": ("CIFAR-10 simple CNN", ".8024"),
    "resnet56": ("CIFAR-10 ResNet-56", ".9315"),
}
"""By the run with the paper's attacks on a classifier: the classifier's name, and its accuracy
without attack in the paper."""


def defended(attack: str, reading: str, defence: str = "kl") -> dict[str, Any]:
    """Return the fields of a defence's accuracy under attack, in one of the readings."""
    return {"attack": attack, "defence": defence, **READINGS[reading]}


def auc(attack: str, defence: str = "kl") -> dict[str, Any]:
    """Return the fields of the area under a score's ROC curve."""
    return {"attack": attack, "defence": defence, "metric": "auc"}


def share(value: float) -> str:
    """Return the text of a share."""
    return f"{value:.4f}".removeprefix("0")


def _at_least(least: float) -> Callable[[float], bool]:
    return lambda value: value >= least


def _near(expected: float, by: float) -> Callable[[float], bool]:
    return lambda value: abs(value - expected) <= by


GOALS = [
    *(
        Goal(f"{name}, no attack, {what}", paper, "shown", run, {"attack": "cw", **number})
        for run, (name, clean) in CLEAN.items()
        for what, paper, number in (
            ("M(x)", clean, {"metric": "accuracy_clean"}),
            ("M(AE(x))", "–", {"metric": "accuracy_reconstructed_clean", "defence": "kl"}),
        )
    ),
    *(
        Goal(
            f"MNIST, {name}, no defence",
            paper,
            "≤ .01",
            "mnist",
            {"attack": attack, "metric": "accuracy_attacked"},
            lambda value: value <= 0.01,
        )
        for name, attack, paper in (("C&W", "cw", ".0058"), ("SLIDE", "slide", ".0001"))
    ),
    *(
        Goal(
            f"MNIST, {name}, AE^KL, {reading}",
            paper,
            "≥ .990",
            "mnist",
            defended(attack, reading),
            _at_least(0.99),
        )
        for name, attack, paper in (("C&W", "cw", ".9928"), ("SLIDE", "slide", ".9923"))
        for reading in READINGS
    ),
    *(
        Goal(
            f"MNIST, FGSM {epsilon}{step}, AE^KL, {reading}",
            share(paper),
            "within 1 point",
            run,
            defended(f"fgsm-{epsilon}{ending}", reading),
            _near(paper, 0.01),
        )
        for ending, step, run in (
            ("", ", one step", "mnist"),
            ("-smallest", ", smallest step", "mnist-smallest-step"),
        )
        for epsilon, paper in ((0.1, 0.9928), (0.2, 0.9895), (0.3, 0.9819))
        for reading in READINGS
    ),
    *(
        Goal(f"MNIST, AUC, {name}", ".9992", "≥ .999", "mnist", auc(attack), _at_least(0.999))
        for name, attack in (("C&W", "cw"), ("SLIDE", "slide"))
    ),
    *(
        Goal(
            f"MNIST white-box, AUC, {name}",
            "> .97",
            "shown",
            "mnist-white-box",
            auc(attack) | {"target": "kl"},
        )
        for name, attack in (("C&W", "cw"), ("SLIDE", "slide"))
    ),
    *(
        Goal(
            f"{name} white-box C&W, {what}",
            paper,
            "shown",
            run,
            {"attack": "cw", "target": "kl", **number},
        )
        for name, run, swap in (
            ("MNIST", "mnist-white-box", ""),
            ("Fashion-MNIST", "fashion_mnist-white-box", "kl-earlier"),
            ("CIFAR-10 simple CNN", "cifar10-white-box", "kl-short"),
            ("CIFAR-10 ResNet-56", "resnet56-white-box", "kl-t"),
        )
        for what, paper, number in (
            ("M(x)", "nearly intact", {"metric": "accuracy_attacked"}),
            ("M(AE(x))", "0", {"metric": "accuracy_reconstructed", "defence": "kl"}),
            (
                f"M(AE(x)) by {NAMES.get(swap)}",
                ".68 / .74, earlier" if name.startswith("CIFAR") else "–",
                {"metric": "accuracy_reconstructed", "defence": swap},
            ),
        )
        if number.get("defence") != ""
    ),
    *(
        Goal(
            f"Fashion-MNIST, {name}, AE^KL, {reading}",
            share(paper),
            "within 1.5 points",
            "fashion_mnist",
            defended(attack, reading),
            _near(paper, 0.015),
        )
        for name, attack, paper in (
            ("C&W", "cw", 0.9211),
            ("SLIDE", "slide", 0.9247),
            ("FGSM 0.1, one step", "fgsm-0.1", 0.9169),
            ("FGSM 0.1, smallest step", "fgsm-0.1-smallest", 0.9169),
        )
        for reading in READINGS
    ),
    *(
        Goal(
            f"Fashion-MNIST, AUC, {name}",
            "about .984",
            "≥ .98",
            "fashion_mnist",
            auc(attack),
            _at_least(0.98),
        )
        for name, attack in (("C&W", "cw"), ("SLIDE", "slide"))
    ),
    *(
        Goal(
            f"CIFAR-10 ResNet-56, AUC, {name}",
            share(paper),
            f"≥ {share(least)}",
            "resnet56",
            auc(attack),
            _at_least(least),
        )
        for name, attack, paper, least in (
            ("C&W", "cw", 0.9301, 0.90),
            ("SLIDE", "slide", 0.8880, 0.86),
        )
    ),
]

CIFAR_CW = {
    "cifar10": ((0.6022, 0.7551, 0.7669, 0.7688), 0.03),
    "resnet56": ((0.1650, 0.8048, 0.8141, 0.8153), 0.03),
}
"""By the run on CIFAR-10: the paper's accuracy under C&W for each of the main defences; and by how
much the distance of ours to clean accuracy may differ from that of the paper's."""
HIDDEN_LAYERS = (
    ("CIFAR-10 simple CNN", "cifar10-hidden-layers"),
    ("CIFAR-10 ResNet-56", "resnet56-hidden-layers"),
)
"""The paper's Tables 5 and 6: the classifier's name and the run."""

DRIFT = (
    ("CIFAR-10 simple CNN", "cifar10-drift", "kl"),
    ("CIFAR-10 ResNet-56", "resnet56-drift", "kl"),
)
"""The runs on drift: the classifier's name, the run, and the defence."""
RATIO_GOALS = (2.0, 2.0, 2.0, 2.0, 2.9)
"""By severity: what the ratio of mean scores has to exceed."""
PAPER_RATIOS = ("2.91", "to", "to", "to", "5.87")
"""By severity; the paper's text gives only the range."""


def goal_row(goal: Goal) -> list[str]:
    """Return one row of the table of goals."""
    records = read(goal.run)
    result = select(records, **goal.number)
    if result is None:
        return [goal.what, goal.paper, goal.to_reach, "not run", "–", "–", f"`{goal.run}`"]
    reached = "–" if goal.is_reached is None else _reached(goal.is_reached(result["value"]))
    return [
        goal.what,
        goal.paper,
        goal.to_reach,
        number(result),
        f"{result['n']:,}",
        reached,
        f"`{goal.run}`",
    ]


def order_rows(run: str, reading: str) -> Iterator[list[str]]:
    """Yield the rows of C&W on CIFAR-10: the defences' distance to clean accuracy, and order."""
    name, clean_paper = CLEAN[run]
    paper, tolerance = CIFAR_CW[run]
    records = read(run)
    clean = select(records, attack="cw", metric="accuracy_clean")
    result = [select(records, **defended("cw", reading, defence)) for defence in MAIN]
    to_reach = "shown"
    if tolerance is not None:
        to_reach = f"within {100 * tolerance:g} points of its distance to clean"
    for defence, theirs, ours in zip(MAIN, paper, result, strict=True):
        row = [f"{name}, C&W, {NAMES[defence]}, {reading}", share(theirs), to_reach]
        if clean is None or ours is None:
            yield [*row, "not run", "–", "–", f"`{run}`"]
            continue
        gap = (clean["value"] - ours["value"]) - (float(clean_paper) - theirs)
        reached = "–"
        if tolerance is not None:
            reached = f"{_reached(abs(gap) <= tolerance)}, {100 * gap:+.1f} points"
        yield [*row, number(ours), f"{ours['n']:,}", reached, f"`{run}`"]
    values = [record["value"] for record in result if record is not None]
    reached = "–" if len(values) < len(MAIN) else _reached(values == sorted(values))
    text = "not run" if len(values) < len(MAIN) else " < ".join(_sorted(values))
    order = "MSE < KL < KL,T < KL,HL"
    yield [f"{name}, C&W, the order, {reading}", order, "same", text, "", reached, f"`{run}`"]


def _sorted(values: Sequence[float]) -> list[str]:
    names = [NAMES[defence].removeprefix("AE^") for defence in MAIN]
    return [name for _, name in sorted(zip(values, names, strict=True))]


def of_drift(records: Sequence[Record], defence: str, severity: int, metric: str) -> Record | None:
    """Return a number of all corruptions taken together, at a severity."""
    where = {"corruption": "all", "severity": severity, "defence": defence}
    return select(records, **where, metric=metric)


def drift_rows(name: str, run: str, defence: str) -> Iterator[list[str]]:
    """Yield the rows of drift: CIFAR-10-C's corruptions taken together, by severity (Figure 7)."""
    records = read(run)
    for severity, (theirs, goal) in enumerate(zip(PAPER_RATIOS, RATIO_GOALS, strict=True), start=1):
        ratio = of_drift(records, defence, severity, "score_ratio")
        p_value = of_drift(records, defence, severity, "ks_p_value")
        row = [
            f"{name}, severity {severity}: harmful / harmless score",
            theirs,
            f"> {goal:g}; KS p = 0",
        ]
        if ratio is None or p_value is None:
            yield [*row, "not run", "–", "–", f"`{run}`"]
            continue
        text = f"{number(ratio, 2)}; p = {p_value['value']:.2g}"
        yield [*row, text, f"{ratio['n']:,}", _reached(ratio["value"] > goal), f"`{run}`"]


def _reached(is_reached: bool) -> str:
    return "yes" if is_reached else "**no**"
