"""The numbers of a run as Markdown tables."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from adversarial.evaluation.read import Record, read_results

HERE = Path(__file__).parent
FPR = 0.05
NAMES = {
    "mse": "AE^MSE",
    "kl": "AE^KL",
    "kl-t": "AE^KL,T",
    **{f"kl-hl{number}": f"AE^KL,HL{number}" for number in (1, 2, 3, 4)},
    "kl-hl": "AE^KL,HL",
    "kl-earlier": "AE^KL, earlier",
    "kl-short": "AE^KL, 10 epochs, other seed",
    "kl-seed": "AE^KL, other seed",
    "kl-dense": "AE^KL, dense layers",
    "ensemble": "ensemble",
}
"""Names of the defences, as in the paper."""

FIGURES = (
    ("1, 3, 8 to 16", "images, attacked and reconstructed, with classes and scores", "grid-*"),
    ("4", "entropy of M(x) before and after the attack", "entropy-*"),
    ("5, 6", "ROC of the score", "roc-*"),
    ("7", "scores of harmful and harmless drift, by severity", "drift-*"),
)
"""The paper's figures with results, what they show, and the file names of ours."""

POLICIES = ("none", "reject", "correct", "correct_gated", "correct_always")


def read(run: str) -> list[Record]:
    """Return the records of a run, or none if it has not been run."""
    return list(read_results(HERE / run).records) if (HERE / run).exists() else []


def select(records: Sequence[Record], **fields: Any) -> Record | None:
    """Return the one record with these fields; fields that are not named must be null."""
    wanted = dict.fromkeys(("attack", "target", "defence", "corruption", "severity"), None)
    if "threat_model" not in fields and fields.get("attack"):
        fields["threat_model"] = "white-box" if fields.get("target") else "grey-box"
    result = [
        record
        for record in records
        if all(record[name] == value for name, value in (wanted | fields).items())
    ]
    return result[0] if result else None


def number(record: Record | None, digits: int = 4) -> str:
    """Return the text of a value with its interval."""
    if record is None or record["value"] is None:
        return "–"
    text = f"{record['value']:.{digits}f}"
    if record["low"] is not None:
        text += f" ({record['low']:.{digits}f} to {record['high']:.{digits}f})"
    return re.sub(r"\b0\.", ".", text)


def against(threat_model: str, target: str | None) -> str:
    """Return the threat model, and which defence was attacked."""
    return f"{threat_model}, against {NAMES.get(target, target)}" if target else threat_model


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def figure_rows(runs: Iterable[str]) -> Iterator[list[str]]:
    """Yield a row for each kind of figure in the paper: what it shows, and the runs with ours."""
    for paper, shows, pattern in FIGURES:
        result = [name for name in runs if any((HERE / name / "figures").glob(pattern))]
        yield [paper, shows, ", ".join(f"`{name}`" for name in result) or "not run"]


def run_section(name: str) -> Iterator[str]:
    """Yield the tables of one run."""
    if not (HERE / name).exists():
        return
    results = read_results(HERE / name)
    records, config = results.records, results.config
    yield f"## `{name}`"
    yield ""
    yield f"{config['n']:,} test images, seed {config['seed']}."
    yield ""
    yield f"    python studies/paper.py run --data-dir DIR {name}"
    yield ""
    cases = list(
        dict.fromkeys(
            (record["threat_model"], record["target"], record["attack"])
            for record in records
            if record["attack"] and record["attack"] != "any"
        )
    )
    defences = list(dict.fromkeys(r["defence"] for r in records if r["defence"]))
    if cases:
        yield from attack_tables(records, cases, defences)
    if any(record["corruption"] for record in records):
        yield from drift_table(records)
    for figure in sorted((HERE / name / "figures").glob("*")):
        if figure.suffix not in {".svg", ".webp"}:
            continue
        title = figure.stem.replace("-", " ")
        yield f"![{title}]({name}/figures/{figure.name})"
        yield ""


def attack_tables(
    records: Sequence[Record],
    cases: Sequence[tuple[str, str | None, str]],
    defences: Sequence[str],
) -> Iterator[str]:
    """Yield accuracy, detection and the cost of the attacks, by threat model and attack."""
    named = [NAMES.get(defence, defence) for defence in defences]

    def of(case: tuple[str, str | None, str], **fields: Any) -> str:
        threat_model, target, attack = case
        return number(
            select(records, threat_model=threat_model, target=target, attack=attack, **fields)
        )

    def label(case: tuple[str, str | None, str]) -> list[str]:
        threat_model, target, attack = case
        return [against(threat_model, target), attack]

    where = ["threat model", "attack"]
    clean = of(cases[0], metric="accuracy_clean")
    yield f"Accuracy without attack: {clean}. Accuracy under attack if flagged images at"
    yield f"ε_FPR {FPR:g} get the corrected class (Figure 2 of the paper):"
    yield ""
    yield from table(
        [*where, "no defence", *named],
        [
            [
                *label(case),
                of(case, metric="accuracy_attacked"),
                *(
                    of(case, defence=defence, metric="accuracy_defended", fpr=FPR)
                    for defence in defences
                ),
            ]
            for case in cases
        ],
    )
    yield "Accuracy of M(AE(x)) on all images, flagged or not, without attack and under attack"
    yield "(Tables 1 to 4):"
    yield ""
    rebuilt = [
        [
            *label(case),
            *(of(case, defence=defence, metric="accuracy_reconstructed") for defence in defences),
        ]
        for case in cases
    ]
    unattacked = [
        of(cases[0], defence=defence, metric="accuracy_reconstructed_clean") for defence in defences
    ]
    yield from table([*where, *named], [["", "none", *unattacked], *rebuilt])
    yield "Detection (Figures 5 and 6): AUC, and the share of attacked images that is flagged at"
    yield "ε_FPR 1 % and 5 %:"
    yield ""
    yield from table(
        [*where, *(f"{name}: {what}" for name in named for what in ("AUC", "1 %", "5 %"))],
        [
            [
                *label(case),
                *(
                    text
                    for defence in defences
                    for text in (
                        of(case, defence=defence, metric="auc"),
                        of(case, defence=defence, metric="detection_rate", fpr=0.01),
                        of(case, defence=defence, metric="detection_rate", fpr=0.05),
                    )
                ),
            ]
            for case in cases
        ],
    )
    yield "The attacks: success rate at their own goal, also after rounding to 8 bits; mean norms"
    yield "where they succeeded; entropy of M in nats (Figure 4); queries per image:"
    yield ""
    what = ("success", "success_rounded", "l1", "l2", "linf", "entropy_clean", "entropy_attacked")
    yield from table(
        [*where, *what, "queries"],
        [[*label(case), *(of(case, metric=name) for name in (*what, "queries"))] for case in cases],
    )
    yield from loss_table(records, defences)
    yield from gradient_masking_table(records)


def loss_table(records: Sequence[Record], defences: Sequence[str]) -> Iterator[str]:
    """Yield how often the system ends with an undetected wrong answer, by any attack."""
    lost = {r["defence"] for r in records if r["attack"] == "any"}
    yield "Share of images for which the system ends with a wrong answer and no warning, under any"
    yield "of this run's attacks, image by image, and without attack:"
    yield ""
    some = next(r for r in records if r["attack"] not in (None, "any") and r["defence"])
    place = {name: some[name] for name in ("attack", "threat_model", "target")}

    def row(defence: str, fpr: float, attacked: bool) -> list[str]:
        where: dict[str, Any] = (
            {"attack": "any", "threat_model": "any", "metric": "undetected_error"}
            if attacked
            else {**place, "metric": "undetected_error_clean"}
        )
        numbers = (
            number(select(records, **where, defence=defence, fpr=fpr, policy=policy))
            for policy in POLICIES
        )
        name = NAMES.get(defence, defence)
        return [name, f"{fpr:g}", "attacked" if attacked else "no attack", *numbers]

    yield from table(
        ["defence", "ε_FPR", "images", *POLICIES],
        [
            row(defence, fpr, attacked)
            for defence in defences
            if defence in lost  # the others are held out
            for fpr in (0.01, 0.05)
            for attacked in (True, False)
        ],
    )


def gradient_masking_table(records: Sequence[Record]) -> Iterator[str]:
    """Yield the checks for gradient masking."""
    result = [r for r in records if r["metric"].startswith("gradient_masking_")]
    passed = {
        (r["threat_model"], r["target"], r["attack"], r["metric"].removesuffix("_passed")): r
        for r in result
        if r["metric"].endswith("_passed")
    }
    if not result:
        return
    yield "Checks for gradient masking: success rates of each attack and of those compared with it:"
    yield ""
    yield from table(
        ["threat model", "attack", "success", "compared with", "its success", "passed"],
        [
            [
                against(threat_model, target),
                attack,
                number(select(records, **place, metric="success")),
                check.removeprefix("gradient_masking_"),
                number(select(records, **place, metric=check)),
                "yes" if record["value"] else "**no**",
            ]
            for (threat_model, target, attack, check), record in passed.items()
            for place in [{"threat_model": threat_model, "target": target, "attack": attack}]
        ],
    )


def drift_table(records: Sequence[Record]) -> Iterator[str]:
    """Yield the numbers of every corruption at every severity (section 4.4, Figure 7)."""
    yield "Harmful: misclassified although the original is not. Harmless: the original's class."
    yield ""
    what = (
        "accuracy_drifted",
        "score_harmful",
        "score_harmless",
        "score_ratio",
        "ks_statistic",
        "ks_p_value",
        "auc_harm",
    )
    cases = dict.fromkeys(
        (r["corruption"], r["severity"], r["defence"]) for r in records if r["corruption"]
    )
    rows = []
    for corruption, severity, defence in cases:
        result = [
            select(records, corruption=corruption, severity=severity, defence=defence, metric=name)
            for name in what
        ]
        shown = [
            f"{record['value']:.2g}" if name == "ks_p_value" and record else number(record, 3)
            for name, record in zip(what, result, strict=True)
        ]
        rows.append([corruption, str(severity), NAMES.get(defence, defence), *shown])
    yield from table(["corruption", "severity", "defence", *what], rows)
