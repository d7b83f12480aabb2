"""What a batch is like among calibration rows, and what it may be as well."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.support.fitted_damage import moved_columns
from adversarial.support.learner import ONCE_IN_1000, ks_by_chance
from adversarial.support.mixture import Explainer, Explanation
from adversarial.support.sample import INPUTS, classes_of, is_normal, matrix, numbers

CloserRows = Callable[[pa.Table, Collection[tuple[str, float]]], pa.Table | None]
"""Makes more rows of some kinds of damage, and of kinds fitted to a batch; normal rows first
(`adversarial.calibration.closer_rows`). None where it cannot."""


class Likeness(NamedTuple):
    """What a batch is like.

    Attributes
    ----------
    known : pyarrow.Table
        The rows it is likened to, m of them.
    cells : (m,) int64
        Class of each normal row, and a number from there on for each kind of damage.
    distance : float
        KS distance of a learner's scores between the batch and the normal rows as they are.
    by_chance : float
        What it exceeds once in a thousand samples of normal rows.
    best : Explanation
        The simplest that leaves nothing, else the one that leaves least.
    alternatives : list of Explanation
        Others that leave no more, but for chance: what the batch may be as well.
    """

    known: pa.Table
    cells: NDArray[np.int64]
    distance: float
    by_chance: float
    best: Explanation
    alternatives: list[Explanation]


def liken(
    rows: pa.Table,
    known: pa.Table,
    class_names: Sequence[str],
    closer_rows: CloserRows | None = None,
) -> Likeness:
    """Return what rows of a batch are like.

    Parameters
    ----------
    rows : pyarrow.Table
        Of the batch, as `adversarial.support.sample` describes them; at least one.
    known : pyarrow.Table
        A calibration sample; its normal rows come first.
    class_names : sequence of str
        The detector's classes.
    closer_rows : callable, optional
        Looks closer at what these leave unexplained.
    """
    batch, n_classes = matrix(rows, class_names), len(class_names)
    cells = _cells(known, class_names)
    explainer = Explainer(batch, matrix(known, class_names), cells, n_classes)
    normal = explainer.normal
    by_chance = ks_by_chance(len(rows), int(normal.sum()), ONCE_IN_1000)
    as_normal = simple = explainer.as_normal()
    if simple.unexplained:
        simple = explainer.classes(simple)
    if not simple.unexplained:
        return Likeness(known, cells, as_normal.distance, by_chance, simple, [])
    closer = None
    if closer_rows is not None:
        places = [int(np.argmax(cells == cell)) for cell in explainer.likely_kinds()]
        kinds = known.select(["family", "severity"]).take(pa.array(places, pa.int64()))
        closer = closer_rows(rows, list(zip(*kinds.to_pydict().values(), strict=True)))
    if closer is not None:
        known, cells = closer, _cells(closer, class_names)
        explainer = Explainer(batch, matrix(known, class_names), cells, n_classes)
        weights = np.zeros(len(known))
        weights[: int(normal.sum())] = simple.weights[normal]
        simple = replace(simple, weights=weights)
    (damage, *as_good), selection = explainer.damaged(), None
    best = damage if explainer.is_clearly_better(damage, simple) else simple
    # Weights for single rows explain much, damage of other columns among it: they come last.
    if moved_columns(numbers(rows, INPUTS), numbers(known, INPUTS)[explainer.normal]):
        selection = explainer.selected()
        if selection is not None and explainer.is_clearly_better(selection, best):
            best = selection
    others = [simple, damage, *as_good, selection] if as_normal.distance > by_chance else []
    alternatives = [
        other
        for other in others
        if other is not None and other is not best and not explainer.is_clearly_better(best, other)
    ]
    return Likeness(known, cells, as_normal.distance, by_chance, best, alternatives)


def _cells(known: pa.Table, class_names: Sequence[str]) -> NDArray[np.int64]:
    damage = pc.binary_join_element_wise(known["family"], known["severity"].cast(pa.string()), " ")
    kinds = np.asarray(damage.combine_chunks().dictionary_encode().indices, np.int64)
    classes = classes_of(known, "label", class_names)
    return np.where(is_normal(known), classes, len(class_names) + kinds)
