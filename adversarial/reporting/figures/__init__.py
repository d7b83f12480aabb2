"""The paper's figures of an evaluation, drawn from its directory alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from adversarial.evaluation.read import Case, Columns, Results, read_images
from adversarial.reporting.formatting import describe

if TYPE_CHECKING:
    from adversarial.evaluation.drift_metrics import SeveritySummary
    from adversarial.reporting.figures.style import Drawing

__all__ = ["draw_figures"]


def draw_figures(
    results: Results,
    rows: Mapping[Case, Mapping[str, Columns]],
    severities: Sequence[SeveritySummary],
) -> Iterator[Drawing]:
    """Draw the figures of an evaluation, one after the other.

    Parameters
    ----------
    results : Results
    rows : mapping of Case to mapping of str to columns
        As of `adversarial.evaluation.read.read_rows`.
    severities : sequence of SeveritySummary
        As of `adversarial.evaluation.drift_metrics.by_severity`.

    Raises
    ------
    ResultsError
        If the example images are missing or damaged.
    """
    for case, defences in rows.items():
        if case.corruption is None:
            yield from _of_attack(results, case, defences)
        yield _grid(results, case, defences)
    if severities:
        yield from _of_drift(results, severities)


def _of_attack(results: Results, case: Case, defences: Mapping[str, Columns]) -> Iterator[Drawing]:
    from adversarial.reporting.figures.detection import entropies, roc_curves, scores
    from adversarial.reporting.figures.style import Drawing

    areas = "; ".join(
        f"{defence} AUC {describe(results.find(case, 'auc', defence=defence))}"
        for defence in defences
    )
    yield Drawing(
        f"roc-{case.stem}",
        roc_curves(results, case, defences),
        "roc",
        f"{case.title}: ROC on originals and attacked images together, with the points of the "
        "thresholds that the reference window gives (Figures 5 and 6 of the paper).",
        f"ROC curves, {case.title}: {areas}",
    )
    first = next(iter(defences.values()))
    before, after = first["entropy_clean"].mean(), first["entropy"].mean()
    yield Drawing(
        f"entropy-{case.stem}",
        entropies(case, first),
        "entropy",
        f"{case.title}: entropy of M on originals and attacked images (Figure 4 of the paper).",
        f"Histograms of the entropy of M, {case.title}: mean {before:.3g} nats on originals, "
        f"{after:.3g} on attacked images",
    )
    for defence, columns in defences.items():
        before, after = columns["score_clean"].mean(), columns["score"].mean()
        yield Drawing(
            f"score-{case.stem}-{defence.replace('/', '_')}",
            scores(results, case, defence, columns),
            "score",
            f"{case.title}: adversarial score of originals and attacked images, as {defence} "
            "gives it.",
            f"Histograms of the score by {defence}, {case.title}: mean {before:.3g} nats on "
            f"originals, {after:.3g} on attacked images",
        )


def _grid(results: Results, case: Case, defences: Mapping[str, Columns]) -> Drawing:
    from adversarial.reporting.figures.grids import image_grid, is_stretched
    from adversarial.reporting.figures.style import Drawing

    images = read_images(results, case)
    k = len(images["original"])
    changed = "drifted" if case.corruption else "attacked"
    rights = [
        _count_right(next(iter(defences.values())), "prediction", k, "the images themselves"),
        *(
            _count_right(columns, "reconstruction_prediction", k, f"reconstructions by {defence}")
            for defence, columns in defences.items()
        ),
    ]
    stretched = (
        " A reconstruction that leaves [0, 1] is stretched to its own range."
        if is_stretched(images)
        else ""
    )
    paper = "" if case.corruption else " (Figures 1, 3 and 8 to 16 of the paper)"
    return Drawing(
        f"grid-{case.stem}",
        image_grid(images, defences, results.config.get("class_names", ()), changed=changed),
        "grid",
        f"{case.title}: the first {k} images, each original, reconstructed, {changed}, and "
        f"reconstructed after that{paper}. The true class is on the left; under an image is the "
        "class that M gives, ✓ if right and ✗ if wrong; S is the adversarial score of the image "
        f"and the reconstruction above it, in nats.{stretched}",
        f"Examples, {case.title}: of {k} {changed} images, M is right on {'; '.join(rights)}",
        is_in_report=case.corruption is None,
    )


def _count_right(columns: Columns, prediction: str, k: int, what: str) -> str:
    return f"{int((columns[prediction] == columns['label'])[:k].sum())} of {what}"


def _of_drift(results: Results, severities: Sequence[SeveritySummary]) -> Iterator[Drawing]:
    from adversarial.reporting.figures import drift
    from adversarial.reporting.figures.style import Drawing

    n_corruptions = max(summary.corruptions for summary in severities)
    of_what = f"{n_corruptions} corruptions together" if n_corruptions > 1 else "one corruption"
    for stem, lines, label, what in (
        ("score", drift.SCORE_LINES, "mean score (nats)", "mean adversarial score"),
        ("accuracy", drift.ACCURACY_LINES, "accuracy", "accuracy of the classifier"),
        ("ratio", drift.RATIO_LINES, "ratio of mean scores", "score of harmful over harmless rows"),
        ("ks", drift.KS_LINES, "D", "Kolmogorov-Smirnov D between harmful and harmless rows"),
    ):
        intervals = "" if stem == "ks" else ", with 95 % intervals"
        yield Drawing(
            f"drift-{stem}",
            drift.severity_lines(severities, lines, label),
            "drift",
            f"Drift by severity, {of_what}: {what}{intervals} (Figure 7 of the paper).",
            f"Lines by severity of drift: {what}; the numbers are in the table",
        )
    for metric, what in (
        ("accuracy_drifted", "Accuracy of M"),
        ("score_ratio", "Score, harmful ÷ harmless"),
        ("ks_statistic", "KS D, harmful and harmless"),
    ):
        for defence in results.defences if metric != "accuracy_drifted" else results.defences[:1]:
            title = what if metric == "accuracy_drifted" else f"{what}; {defence}"
            yield Drawing(
                f"heatmap-{metric}-{defence.replace('/', '_')}",
                drift.heatmap(results, metric, defence, title),
                "heatmap",
                f"{title}, by corruption and severity.",
                f"Heat map of {title}, by corruption and severity; the numbers are in the tables",
            )
