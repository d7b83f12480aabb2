"""Novelty: how far a row lies from the rows that a detector was calibrated on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.support.representation import Representation, Scaling
from adversarial.without_pandas import without_pandas

Rows = NDArray[np.float32]
Floats = NDArray[np.float32]

DIRECTIONS = 24
"""Principal directions that distances are taken in, where a space has more."""
QUANTILE = 0.99
"""Share of held-out normal rows that are not novel."""
IMAGE_POINTS = 1500
FLAT_POINTS = 192
"""Points of an index: of normal rows, and as many again of changed ones. Flat rows are scored in
microseconds, which a longer index would double."""
SAMPLE_FEATURES = 10
"""Principal directions of the penultimate layer that a sample keeps."""
PRODUCTS_AT_ONCE = 1 << 18
"""Products of rows and points that are held at once: so few that they stay in a core's cache."""
FIRST_LOOKED_AT = (1 / 8, 1 / 2)
"""Parts of the points after which rows that are near enough are left out."""


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class Space:
    """Points, and the distance from which a row is far from all of them.

    Attributes
    ----------
    centre, directions : (d,), (d, k) float32
        A row's numbers v become (v − centre) · directions before distances are taken.
    points : (m, k) float32
        Where calibration rows lie.
    threshold : float
        Distance to the nearest point below which the held-out normal rows lie, but for a share.
    """

    centre: Floats
    directions: Floats
    points: Floats
    threshold: float

    @classmethod
    def fit(
        cls, normal: Floats, changed: Floats, held_out: Floats, n_points: int, seed: int
    ) -> Space:
        """Return the space of these normal and changed rows, (n, d) and (m, d) float32."""
        with without_pandas():
            from sklearn.cluster import MiniBatchKMeans

        centre = normal.mean(axis=0, dtype=np.float64).astype(np.float32)
        directions = _directions(normal - centre)
        points: list[Floats] = []
        for rows in (normal, changed):
            moved: Floats = ((rows - centre) @ directions).astype(np.float32)
            if len(moved) > n_points:
                means = MiniBatchKMeans(
                    n_points, batch_size=4096, max_iter=20, n_init=1, random_state=seed
                ).fit(moved)
                moved = means.cluster_centers_.astype(np.float32)
            points.append(moved)
        space = cls(centre, directions, np.concatenate(points).astype(np.float32), 1.0)
        threshold = float(np.quantile(space.distance(held_out), QUANTILE)) if len(held_out) else 1.0
        return cls(space.centre, space.directions, space.points, max(threshold, 1e-6))

    def project(self, numbers: Floats) -> Floats:
        """Return n rows in the principal directions, (n, k), the one of most variance first."""
        result = (numbers - self.centre) @ self.directions
        return np.asarray(result, np.float32)

    def distance(self, numbers: Floats, least: Floats | None = None) -> Floats:
        """Return the distance of n rows to the nearest point, (n,), over the threshold.

        Parameters
        ----------
        numbers : (n, d) float32
            The rows.
        least : (n,) float32, optional
            Where given, the result is the greater of the two. Most rows are then found to be near
            enough by the first points, and are not held against the others.
        """
        # |row − point|² is |row|² and a product of (row, 1) with (−2 point, |point|²).
        points = np.hstack([-2 * self.points, (self.points**2).sum(axis=1, keepdims=True)])
        moved = self.project(numbers)
        squares = (moved**2).sum(axis=1)
        moved = np.hstack([moved, np.ones((len(moved), 1), np.float32)])
        result = np.zeros(len(moved), np.float32) if least is None else least.copy()
        left, nearest = np.arange(len(moved)), np.full(len(moved), np.inf, np.float32)
        steps = [int(part * len(points)) for part in (FIRST_LOOKED_AT if least is not None else ())]
        for part in np.split(points, steps):
            if not len(part):
                continue
            nearest = np.minimum(nearest, _smallest_product(moved, part))
            distance = np.sqrt(np.maximum(nearest + squares, np.float32(0)))
            distance /= np.float32(self.threshold)
            farther = np.flatnonzero(~(distance <= result[left]))  # or not a number
            left, moved, squares = left[farther], moved[farther], squares[farther]
            nearest, distance = nearest[farther], distance[farther]
        result[left] = distance
        return result


def _smallest_product(rows: Floats, points: Floats) -> Floats:
    """Return the smallest product of each of n rows, (n, k), with m points, (m, k)."""
    at_once = max(1, PRODUCTS_AT_ONCE // len(points))
    held = np.empty(len(points) * min(at_once, len(rows)), np.float32)
    result = np.empty(len(rows), np.float32)
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        products = held[: len(points) * len(some)].reshape(len(points), len(some))
        np.matmul(points, some.T, out=products).min(axis=0, out=result[first : first + at_once])
    return result


class Described(NamedTuple):
    """What novelty looks at of n rows.

    Attributes
    ----------
    inputs : (n, d) float32
        What the representation gives of the input.
    features : (n, k) float32, optional
        What the penultimate layer says, scaled; None where it cannot be reached.
    """

    inputs: Floats
    features: Floats | None

    def take(self, rows: NDArray[Any]) -> Described:
        """Return some of the rows."""
        return Described(self.inputs[rows], None if self.features is None else self.features[rows])


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class RowDescription:
    """What is looked at of a row: its input, and what the classifier makes of it.

    Attributes
    ----------
    representation : Representation
        Of the input.
    scaling : Scaling, optional
        Of the penultimate layer; None where that cannot be reached.
    """

    representation: Representation
    scaling: Scaling | None

    @classmethod
    def fit(
        cls, x: Rows, features: Floats | None, value_range: tuple[float, float]
    ) -> RowDescription:
        """Return the description by which these normal rows are usual."""
        return cls(
            Representation.fit(x, value_range),
            None if features is None else Scaling.fit(features),
        )

    def __call__(self, x: Rows, features: Floats | None) -> Described:
        """Return what is looked at of rows, (n, *shape), and of their features, (n, k)."""
        scaled = None
        if self.scaling is not None and features is not None:
            scaled = self.scaling(features)
        return Described(self.representation(x), scaled)


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class NoveltyIndex:
    """Distances of a row to its nearest calibration rows, in its input and in what M makes of it.

    Attributes
    ----------
    description : RowDescription
        What is looked at.
    inputs : Space
        Of the input.
    features : Space, optional
        Of the classifier's penultimate layer; None where that cannot be reached.
    scale : float
        Quantile of the greater of the two distances over held-out normal rows: novelty is that
        distance over this number, so that 1 is where normal rows end.
    n_held_out, n_novel : int
        Held-out normal rows, and those of them that are novel.
    """

    description: RowDescription
    inputs: Space
    features: Space | None
    scale: float
    n_held_out: int
    n_novel: int

    @classmethod
    def fit(
        cls,
        description: RowDescription,
        normal: Described,
        changed: Described,
        held_out: Described,
        seed: int = 0,
    ) -> NoveltyIndex:
        """Return the index of normal rows and of changed copies of them.

        Parameters
        ----------
        description : RowDescription
            What described the rows.
        normal, changed, held_out : Described
            Normal rows, changed ones, and normal rows that are in neither: they tell where normal
            ends.
        seed : int
            Of the index's points.
        """
        n_points = FLAT_POINTS if len(description.representation.shape) == 1 else IMAGE_POINTS
        inputs = Space.fit(normal.inputs, changed.inputs, held_out.inputs, n_points, seed)
        features = None
        if not (normal.features is None or changed.features is None or held_out.features is None):
            features = Space.fit(
                normal.features, changed.features, held_out.features, n_points, seed
            )
        index = cls(description, inputs, features, 1.0, len(held_out.inputs), 0)
        distance = index.novelty(held_out)
        scale = float(np.quantile(distance, QUANTILE, method="higher"))
        n_novel = int(np.count_nonzero(distance > np.float32(scale)))
        return cls(description, inputs, features, scale, len(distance), n_novel)

    def novelty(self, rows: Described) -> Floats:
        """Return the novelty of n rows, (n,) float32: above 1 a row is novel."""
        distance = self.inputs.distance(rows.inputs)
        if self.features is not None and rows.features is not None:
            distance = self.features.distance(rows.features, distance)
        result: Floats = distance / np.float32(self.scale)
        return result

    def principal(self, rows: Described) -> Described:
        """Return rows with their features in the first principal directions, for a sample."""
        features = None
        if self.features is not None and rows.features is not None:
            features = self.features.project(rows.features)[:, :SAMPLE_FEATURES]
        return Described(rows.inputs, features)

    def save(self, path: Path) -> None:
        """Write the index to a file of plain arrays."""
        given = self.description.representation
        arrays: dict[str, Any] = {
            "shape": np.array(given.shape),
            "range": np.array([given.low, given.span]),
            "novelty": np.array([self.scale, self.n_held_out, self.n_novel], np.float64),
        }
        for name, scaling in (("row", given.scaling), ("layer", self.description.scaling)):
            if scaling is not None:
                arrays |= {f"{name}_centre": scaling.centre, f"{name}_scale": scaling.scale}
        for name, space in (("inputs", self.inputs), ("features", self.features)):
            if space is not None:
                arrays |= {f"{name}_{f.name}": getattr(space, f.name) for f in fields(space)}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> NoveltyIndex:
        """Read an index.

        Raises
        ------
        KeyError, ValueError, EOFError, OSError
            If the file holds anything else.
        """
        with np.load(path, allow_pickle=False) as arrays:
            low, span = arrays["range"].tolist()
            scale, n_held_out, n_novel = arrays["novelty"].tolist()

            def scaling(name: str) -> Scaling:
                return Scaling(arrays[f"{name}_centre"], arrays[f"{name}_scale"])

            description = RowDescription(
                Representation(tuple(arrays["shape"].tolist()), low, span, scaling("row")),
                scaling("layer") if "layer_centre" in arrays else None,
            )

            def space(name: str) -> Space:
                return Space(
                    arrays[f"{name}_centre"],
                    arrays[f"{name}_directions"],
                    arrays[f"{name}_points"],
                    float(arrays[f"{name}_threshold"]),
                )

            features = space("features") if "features_points" in arrays else None
            return cls(description, space("inputs"), features, scale, int(n_held_out), int(n_novel))


def _directions(centred: Floats) -> Floats:
    """Return what rows are multiplied with: whitened principal directions, (d, k)."""
    covariance = np.cov(centred.T.astype(np.float64)).reshape(centred.shape[1], -1)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][:DIRECTIONS]
    values = np.maximum(values[order], 1e-3 * max(values.max(), 1e-12))
    result: Floats = (vectors[:, order] / np.sqrt(values)).astype(np.float32)
    return result
