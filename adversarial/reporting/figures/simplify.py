"""Curves with fewer points that look the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def simplify(points: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return some of a curve's points, with none of the others far from the line through them.

    The algorithm is that of Ramer, Douglas and Peucker: between two points that are kept, the one
    farthest from the line through them is kept too if it is farther than the tolerance.

    Parameters
    ----------
    points : (n, 2) float64
        In their order along the curve; x and y in units that are drawn at the same scale.
    tolerance : float
        Greatest distance of an omitted point from the line that is kept.

    Returns
    -------
    (m, 2) float64
        The first and the last point, and those needed between them.

    Examples
    --------
    >>> curve = np.array([[0.0, 0.0], [1.0, 0.0001], [2.0, 0.0], [2.0, 5.0]])
    >>> simplify(curve, 0.001).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 5.0]]
    """
    kept = np.zeros(len(points), bool)
    kept[[0, -1]] = True
    parts = [(0, len(points) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        distances = _distances(points[first + 1 : last], points[first], points[last])
        farthest = int(distances.argmax())
        if distances[farthest] > tolerance:
            middle = first + 1 + farthest
            kept[middle] = True
            parts += [(first, middle), (middle, last)]
    return points[kept]


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of each point, (n, 2), from the segment between two."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    nearest = start + share[:, None] * along
    distances: NDArray[np.float64] = np.hypot(*(points - nearest).T)
    return distances
