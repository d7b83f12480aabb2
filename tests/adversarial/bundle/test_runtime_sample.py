"""The rows that a bundle keeps to judge runtimes by."""

from pathlib import Path

import numpy as np
import pytest

from adversarial.bundle.runtime_sample import RuntimeSample, draw_rows


@pytest.mark.parametrize(
    ("n", "shape", "kept"),
    [
        (1000, (30,), 256),
        (100, (30,), 100),
        (1000, (28, 28, 1), 256),
        (1000, (64, 64, 1), 64),  # a mebibyte
        (100, (96, 96, 3), 16),  # never fewer
    ],
)
def test_a_sample_has_few_rows_and_few_bytes(n: int, shape: tuple[int, ...], kept: int) -> None:
    x = np.arange(n, dtype=np.float32).reshape(n, *[1] * len(shape)) + np.zeros(shape, np.float32)
    rows = draw_rows(x)
    assert len(rows) == kept
    first = rows.reshape(kept, -1)[:, 0]
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(rows, draw_rows(x))


@pytest.mark.parametrize("features", [None, np.ones((3, 2), np.float32)])
def test_a_sample_is_read_as_it_was_written(tmp_path: Path, features: np.ndarray | None) -> None:
    rng = np.random.default_rng(0)
    x, p, q = (rng.random(shape, np.float32) for shape in ((3, 5), (3, 2), (3, 4, 2)))
    RuntimeSample(x, p, q, features).save(tmp_path / "sample.npz")
    found = RuntimeSample.load(tmp_path / "sample.npz")
    for name, expected in vars(RuntimeSample(x, p, q, features)).items():
        np.testing.assert_array_equal(getattr(found, name), expected)
