"""The sample of a batch's rows that is kept while it streams by."""

import numpy as np
import pyarrow as pa
import pytest

from adversarial.support.novelty import Described
from adversarial.support.sample import numbers
from drift_monitor.scoring.row_sample import MAX_ROWS, RowSample

N = 3 * MAX_ROWS


def outputs(first: int, n: int) -> pa.Table:
    positions = np.arange(first, first + n)
    return pa.table(
        {
            "prediction": pa.array([str(p % 3) for p in positions]),
            "confidence": pa.array(positions / N, pa.float32()),
            "adversarial_score": pa.array(positions.astype(np.float64)),
            "reconstruction_prediction": pa.array([str(p % 3) for p in positions]),
            "reconstruction_confidence": pa.array(positions / N, pa.float32()),
        }
    )


def sample(size: int, n: int = N) -> pa.Table:
    rows = RowSample()
    for first in range(0, n, size):
        part = outputs(first, min(size, n - first))
        inputs = np.repeat(np.arange(first, first + len(part))[:, None] / N, 2, 1)
        rows.add(first, part, Described(inputs.astype(np.float32), None))
    table = rows.table()
    assert table is not None
    return table


@pytest.mark.parametrize("size", [512, 4096, N])
def test_the_sample_is_the_same_however_the_batch_is_cut(size: int) -> None:
    assert sample(size).equals(sample(1000))


def test_it_is_drawn_from_all_of_the_batch_and_what_describes_a_row_stays_with_it() -> None:
    table = sample(512)
    positions = table["adversarial_score"].to_numpy()
    assert len(table) == len(set(positions)) == MAX_ROWS
    assert np.histogram(positions, 3, (0, N))[0] == pytest.approx(MAX_ROWS / 3, rel=0.1)
    np.testing.assert_allclose(numbers(table, "inputs")[:, 0], positions / N, atol=1e-3)


def test_a_small_batch_is_all_there() -> None:
    assert sorted(sample(64, 700)["adversarial_score"].to_pylist()) == list(range(700))


def test_without_rows_there_is_none() -> None:
    assert RowSample().table() is None
