"""The paper's figures of an evaluation, drawn from its directory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.evaluation.read import (
    Case,
    Columns,
    Results,
    case_of,
    read_images,
    read_results,
)
from adversarial.reporting.formatting import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from adversarial.evaluation.drift_metrics import SeveritySummary
    from adversarial.reporting.figures.drawing import Drawing

__all__ = ["draw_figures", "redraw_plots"]

HEATMAPS = {
    "accuracy_drifted": "Accuracy of M",
    "score_ratio": "Score, harmful ÷ harmless",
    "ks_statistic": "KS D, harmful and harmless",
}
"""Numbers of every corruption and severity, and their titles."""


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
        As `adversarial.evaluation.read.read_rows` returns them.
    severities : sequence of SeveritySummary
        As `adversarial.evaluation.drift_metrics.by_severity` returns them.

    Raises
    ------
    ResultsError
        If the example images are missing or damaged.
    """
    draw = _plots(results)
    for case, defences in rows.items():
        if case.corruption is None:
            yield from _of_attack(results, case, defences, draw)
        yield _grid(results, case, defences)
    if severities:
        yield from _of_drift(results, severities, draw)


def redraw_plots(directory: Path) -> list[Path]:
    """Draw an evaluation's plots again, from its numbers and the arrays kept beside the plots.

    Neither rows nor images are needed, so a directory that kept only `config.json`,
    `metrics.parquet` and `figures/` can follow a change of style.

    Returns
    -------
    list of Path
        The SVG files written.

    Raises
    ------
    ResultsError
        If the directory holds no finished evaluation, or a damaged one.
    """
    from adversarial.reporting.figures.drawing import save_svg

    figures, written = directory / "figures", []
    for stem, draw in _plots(read_results(directory)).items():
        arrays = figures / f"{stem}.parquet"
        if arrays.is_file():
            written.append(save_svg(draw(pq.read_table(arrays)), figures, stem))
    return written


def _plots(results: Results) -> dict[str, Callable[[pa.Table], Figure]]:
    """Return, by stem, the functions that draw the evaluation's possible plots from arrays."""
    from adversarial.reporting.figures import detection, drift

    result: dict[str, Callable[[pa.Table], Figure]] = {}
    for case in dict.fromkeys(map(case_of, results.records)):
        if case.attack is None:
            continue
        result[f"roc-{case.stem}"] = partial(detection.roc_curves, results, case)
        result[f"entropy-{case.stem}"] = partial(detection.entropies, results, case)
        for defence in results.defences:
            draw = partial(detection.scores, results, case, defence)
            result[f"score-{case.stem}-{_safe(defence)}"] = draw
    for stem, label in (
        ("score", "mean score (nats)"),
        ("accuracy", "accuracy"),
        ("ratio", "ratio of mean scores"),
        ("ks", "D"),
    ):
        result[f"drift-{stem}"] = partial(drift.severity_lines, label=label)
    for metric, defence, title in _heatmaps(results):
        stem = f"heatmap-{metric}-{_safe(defence)}"
        result[stem] = partial(drift.heatmap, title=title)
    return result


def _heatmaps(results: Results) -> Iterator[tuple[str, str, str]]:
    """Yield metric, defence and title of each heat map; the classifier has no defence."""
    for metric, what in HEATMAPS.items():
        if metric == "accuracy_drifted":
            yield metric, results.defences[0], what
        else:
            yield from ((metric, defence, f"{what}; {defence}") for defence in results.defences)


def _safe(name: str) -> str:
    return name.replace("/", "_")


def _of_attack(
    results: Results,
    case: Case,
    defences: Mapping[str, Columns],
    draw: Mapping[str, Callable[[pa.Table], Figure]],
) -> Iterator[Drawing]:
    from adversarial.reporting.figures.detection import entropy_table, roc_table, score_table
    from adversarial.reporting.figures.drawing import Drawing

    areas = "; ".join(
        f"{defence} AUC {describe(results.find(case, 'auc', defence=defence))}"
        for defence in defences
    )
    stem, table = f"roc-{case.stem}", roc_table(defences)
    yield Drawing(
        stem,
        draw[stem](table),
        "roc",
        f"{case.title}: ROC on originals and attacked images together, with the points of the "
        "thresholds that the reference window gives (Figures 5 and 6 of the paper).",
        f"ROC curves, {case.title}: {areas}",
        table,
    )
    first = next(iter(defences.values()))
    before, after = first["entropy_clean"].mean(), first["entropy"].mean()
    stem, table = f"entropy-{case.stem}", entropy_table(first)
    yield Drawing(
        stem,
        draw[stem](table),
        "entropy",
        f"{case.title}: entropy of M on originals and attacked images (Figure 4 of the paper).",
        f"Histograms of the entropy of M, {case.title}: mean {before:.3g} nats on originals, "
        f"{after:.3g} on attacked images",
        table,
    )
    for defence, columns in defences.items():
        before, after = columns["score_clean"].mean(), columns["score"].mean()
        stem, table = f"score-{case.stem}-{_safe(defence)}", score_table(columns)
        yield Drawing(
            stem,
            draw[stem](table),
            "score",
            f"{case.title}: adversarial score of originals and attacked images, given by "
            f"{defence}.",
            f"Histograms of the score by {defence}, {case.title}: mean {before:.3g} nats on "
            f"originals, {after:.3g} on attacked images",
            table,
        )


def _grid(results: Results, case: Case, defences: Mapping[str, Columns]) -> Drawing:
    from adversarial.reporting.figures.drawing import Drawing
    from adversarial.reporting.figures.grids import image_grid, is_stretched

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


def _of_drift(
    results: Results,
    severities: Sequence[SeveritySummary],
    draw: Mapping[str, Callable[[pa.Table], Figure]],
) -> Iterator[Drawing]:
    from adversarial.reporting.figures import drift
    from adversarial.reporting.figures.drawing import Drawing

    n_corruptions = max(summary.corruptions for summary in severities)
    of_what = f"{n_corruptions} corruptions together" if n_corruptions > 1 else "one corruption"
    for name, lines, what in (
        ("score", drift.SCORE_LINES, "mean adversarial score"),
        ("accuracy", drift.ACCURACY_LINES, "accuracy of the classifier"),
        ("ratio", drift.RATIO_LINES, "score of harmful over harmless rows"),
        ("ks", drift.KS_LINES, "Kolmogorov-Smirnov D between harmful and harmless rows"),
    ):
        intervals = "" if name == "ks" else ", with 95 % intervals"
        stem, table = f"drift-{name}", drift.severity_table(severities, lines)
        yield Drawing(
            stem,
            draw[stem](table),
            "drift",
            f"Drift by severity, {of_what}: {what}{intervals} (Figure 7 of the paper).",
            f"Lines by severity of drift: {what}; the numbers are in the table",
            table,
        )
    for metric, defence, title in _heatmaps(results):
        stem = f"heatmap-{metric}-{_safe(defence)}"
        table = drift.heatmap_table(results, metric, defence)
        yield Drawing(
            stem,
            draw[stem](table),
            "heatmap",
            f"{title}, by corruption and severity.",
            f"Heat map of {title}, by corruption and severity; the numbers are in the tables",
            table,
        )
