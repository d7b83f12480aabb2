import doctest
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.reporting.figures import simplify as module
from adversarial.reporting.figures.simplify import simplify

STEPS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=60)


def test_examples() -> None:
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0


@given(STEPS, st.sampled_from([0.0, 0.01, 0.3]))
def test_no_point_is_farther_from_the_kept_line_than_the_tolerance(
    steps: list[tuple[float, float]], tolerance: float
) -> None:
    points = np.cumsum(np.array(steps), axis=0)
    kept = simplify(points, tolerance)
    np.testing.assert_array_equal(kept[[0, -1]], points[[0, -1]])
    for x, y in points:
        distances = []
        for (x0, y0), (x1, y1) in pairwise(kept):
            length = (x1 - x0) ** 2 + (y1 - y0) ** 2
            share = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0.0
            share = min(max(share, 0.0), 1.0)
            distances.append(np.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)))
        assert min(distances) <= tolerance + 1e-9


@pytest.mark.parametrize("n", [2, 3, 1_000])
def test_points_on_a_line_become_its_ends(n: int) -> None:
    line = np.column_stack([np.linspace(0, 1, n), np.linspace(0, 2, n)])
    np.testing.assert_array_equal(simplify(line, 1e-9), line[[0, -1]])


def test_a_closed_curve_keeps_its_farthest_point() -> None:
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(simplify(triangle, 0.1), triangle)
