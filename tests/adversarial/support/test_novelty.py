"""How far a row lies from the rows that a detector was calibrated on."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adversarial.support.novelty import Described, NoveltyIndex, RowDescription
from adversarial.support.representation import Representation, Scaling


def rows(n: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    money = rng.lognormal(8, 1, n)
    return np.stack([money, rng.normal(40, 10, n), rng.random(n) < 0.1], 1).astype(np.float32)


def features(x: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.array([[0.001, -0.001], [1, 0.5], [5, -5]], np.float32)
    result: NDArray[np.float32] = np.maximum(x @ weights, 0)
    return result


@pytest.fixture(scope="module")
def index() -> NoveltyIndex:
    x = rows(4000, 0)
    description = RowDescription.fit(x, features(x), (0, 1))
    described = description(x, features(x))
    sentinel = x.copy()
    sentinel[:, 1] = -999
    return NoveltyIndex.fit(
        description,
        described.take(np.arange(2000)),
        description(sentinel, features(sentinel)),
        described.take(np.arange(2000, 4000)),
    )


def novel(index: NoveltyIndex, x: NDArray[np.float32]) -> float:
    return float((index.novelty(index.description(x, features(x))) > 1).mean())


def test_one_in_a_hundred_normal_rows_is_novel(index: NoveltyIndex) -> None:
    assert index.n_held_out == 2000
    assert index.n_novel == pytest.approx(20, abs=1)
    assert novel(index, rows(5000, 1)) == pytest.approx(0.01, abs=0.006)


def test_damage_is_novel_where_no_calibration_row_has_it(index: NoveltyIndex) -> None:
    x = rows(1000, 2)
    cents, sentinel, small = x.copy(), x.copy(), x.copy()
    cents[:, 0] *= 1000
    sentinel[:, 1] = -999
    small[:, 1] *= 1.02
    assert novel(index, cents) > 0.9
    assert novel(index, sentinel) < 0.1  # calibration rows have that one
    assert novel(index, small) < 0.03


@pytest.mark.parametrize("n", [0, 1, 7, 5000])
def test_a_distance_is_that_to_the_nearest_point(index: NoveltyIndex, n: int) -> None:
    numbers = index.description.representation(rows(n, 5))
    space = index.inputs
    apart = space.project(numbers)[:, None].astype(np.float64) - space.points
    expected = np.sqrt((apart**2).sum(axis=-1)).min(axis=1) / space.threshold
    found = space.distance(numbers)
    # Squares, because single precision cannot tell small distances from none.
    np.testing.assert_allclose(found**2, expected**2, rtol=1e-5, atol=1e-5)
    least = np.random.default_rng(n).permutation(found)
    greater = space.distance(numbers, least)
    np.testing.assert_allclose(greater, np.maximum(found, least), rtol=1e-3, atol=1e-3)
    assert (greater >= least).all()


def test_a_distance_that_is_no_number_is_not_left_out(index: NoveltyIndex) -> None:
    numbers = np.array([[np.nan] * 3, [0] * 3], np.float32)
    found = index.inputs.distance(numbers, np.ones(2, np.float32))
    assert np.isnan(found).tolist() == [True, False]


def test_what_the_classifier_makes_of_a_row_counts_too(index: NoveltyIndex) -> None:
    x = rows(200, 3)
    described = index.description(x, features(x) + 500)
    assert (index.novelty(described) > 1).all()
    assert (
        not (index.novelty(Described(described.inputs, None)) > 1).any()
        or (index.novelty(Described(described.inputs, None)) > 1).mean() < 0.05
    )


def test_an_index_comes_back_from_its_file(index: NoveltyIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "novelty.npz")
    again = NoveltyIndex.load(tmp_path / "novelty.npz")
    x = rows(50, 4)
    first, second = (one.novelty(one.description(x, features(x))) for one in (index, again))
    np.testing.assert_array_equal(first, second)
    assert (again.n_held_out, again.n_novel, again.scale) == (
        index.n_held_out,
        index.n_novel,
        index.scale,
    )


@pytest.mark.parametrize("damage", [b"", b"no archive"])
def test_a_damaged_file_is_no_index(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "novelty.npz").write_bytes(damage)
    with pytest.raises((ValueError, OSError, KeyError, EOFError)):
        NoveltyIndex.load(tmp_path / "novelty.npz")


def test_without_features_the_input_alone_counts() -> None:
    x = rows(600, 5)
    description = RowDescription.fit(x, None, (0, 1))
    described = description(x, None)
    index = NoveltyIndex.fit(
        description, described.take(np.arange(300)), described, described.take(np.arange(300, 600))
    )
    assert index.features is None
    assert index.novelty(described).shape == (600,)
    assert index.principal(described).features is None


def test_a_scaling_is_linear_near_the_middle_and_logarithmic_far_away() -> None:
    x = np.random.default_rng(0).normal(10, 2, (5000, 1)).astype(np.float32)
    scaling = Scaling.fit(x)
    near = scaling(np.array([[10], [10.2]], np.float32))
    assert near[1, 0] - near[0, 0] == pytest.approx(0.1, abs=0.01)
    far = scaling(np.array([[1e4], [1e5]], np.float32))
    assert far[1, 0] - far[0, 0] == pytest.approx(np.log(10), abs=0.01)


def test_a_constant_column_has_a_scale_and_anything_else_is_far_from_it() -> None:
    constant = np.full((100, 1), 7, np.float32)
    scaling = Scaling.fit(constant)
    assert scaling(constant).ravel() == pytest.approx(0)
    assert abs(scaling(np.array([[8]], np.float32))[0, 0]) > 3


@pytest.mark.parametrize(
    ("shape", "width"), [((5,), 5), ((12, 12, 1), 23), ((12, 12, 3), 26), ((100, 4), 128)]
)
def test_every_shape_of_row_has_a_representation(shape: tuple[int, ...], width: int) -> None:
    x = np.random.default_rng(0).random((40, *shape), np.float32)
    numbers = Representation.fit(x, (0, 1))(x)
    assert numbers.shape == (40, width)
    assert np.isfinite(numbers).all()


def test_a_mirrored_image_has_another_representation() -> None:
    x = np.zeros((30, 8, 8, 1), np.float32)
    x[:, :, :4] = np.random.default_rng(0).random((30, 8, 4, 1))
    representation = Representation.fit(x, (0, 1))
    assert np.abs(representation(x) - representation(x[:, :, ::-1])).max() > 1
