"""From a batch's rows to what they are like, without a detector."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from adversarial.support.likeness import CloserRows, liken
from adversarial.support.novelty import Described
from adversarial.support.sample import with_description

N = 2500
CLASSES = ("low", "high")
Floats = NDArray[np.float32]


def inputs(n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=n)
    return np.stack([first, first + rng.normal(size=n), rng.normal(size=n)], 1).astype(np.float32)


def table(x: Floats, label: NDArray[np.bool_], family: str = "", severity: float = 0.0) -> pa.Table:
    """Rows of a classifier that knows the first column alone."""
    names = pa.array(CLASSES)
    says = names.take(pa.array((x[:, 0] > 0).astype(int)))
    confidence = pa.array(1 / (1 + np.exp(-np.abs(x[:, 0]))))
    outputs = pa.table(
        {
            "prediction": says,
            "confidence": confidence,
            "adversarial_score": pa.array(np.full(len(x), 0.01)),
            "reconstruction_prediction": says,
            "reconstruction_confidence": confidence,
            "label": names.take(pa.array(label.astype(int))),
            "family": pa.repeat(family, len(x)),
            "severity": pa.repeat(severity, len(x)),
        }
    )
    return with_description(outputs, Described(x, None))


def shifted(x: Floats, by: float) -> Floats:
    return x + np.array([by, 0, 0], np.float32)


@pytest.fixture(scope="module")
def known() -> pa.Table:
    """Normal rows, and forty in which the first column is moved by 2."""
    x = inputs(N, 0)
    few = inputs(40, 1)
    damaged = table(shifted(few, 2), few[:, 0] > 0, "moved-0", 2.0)
    return pa.concat_tables([table(x, x[:, 0] > 0), damaged])


def closer(*moves: float) -> tuple[CloserRows, list[tuple[str, float]]]:
    asked: list[tuple[str, float]] = []

    def make(_: pa.Table, kinds: Collection[tuple[str, float]]) -> pa.Table:
        asked.extend(kinds)
        x = inputs(N, 0)
        parts = [table(x, x[:, 0] > 0)]
        parts += [table(shifted(x, by), x[:, 0] > 0, "moved-0", by) for by in moves]
        return pa.concat_tables(parts)

    return make, asked


def share_of(found_cells: NDArray[np.int64], weights: NDArray[np.float64], n: int) -> float:
    return float(weights[found_cells >= n].sum())


def test_nothing_is_looked_at_closer_where_normal_rows_explain_everything(known: pa.Table) -> None:
    x = inputs(N, 2)
    make, asked = closer(2.0)
    found = liken(table(x, x[:, 0] > 0), known, CLASSES, make)
    assert found.best.name == "normal"
    assert not found.best.unexplained
    assert not asked


def test_likely_damage_is_made_in_numbers_and_explains_what_few_rows_could_not(
    known: pa.Table,
) -> None:
    x = shifted(inputs(N, 3), 2)
    batch = table(x, x[:, 0] > 0)
    few = liken(batch, known, CLASSES)
    make, asked = closer(2.0)
    found = liken(batch, known, CLASSES, make)
    assert asked == [("moved-0", 2.0)]
    assert found.best.name == "damage"
    assert found.best.unexplained < 0.02 < few.best.unexplained
    assert share_of(found.cells, found.best.weights, len(CLASSES)) > 0.95
    assert found.distance > 0.5


def test_a_selection_that_looks_like_damage_stays_possible(known: pa.Table) -> None:
    """Rows selected by a column alone: damage that gives the column that distribution fits too."""
    x = inputs(8 * N, 4)
    x = x[x[:, 2] > 0.3][:N]

    def make(*_: object) -> pa.Table:
        normal = inputs(N, 0)
        mapped = normal.copy()
        order = np.argsort(np.argsort(normal[:, 2]))
        mapped[:, 2] = np.sort(x[:, 2])[order]
        return pa.concat_tables(
            [table(normal, normal[:, 0] > 0), table(mapped, normal[:, 0] > 0, "mapped-2", 1.0)]
        )

    found = liken(table(x, x[:, 0] > 0), known, CLASSES, make)
    names = {found.best.name, *(other.name for other in found.alternatives)}
    assert names >= {"damage", "selection"}
