"""Drifts of flat rows: what goes wrong in pipelines that fill tables."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..changes.drift import Change, Drift, of_some
from ..data.rows import Inputs

Columns = NDArray[np.int64]
Function = Callable[[Inputs], Inputs]
"""Of the values of some columns, (n, n_columns)."""


def flat_drifts(reference: Inputs, ranked: Columns) -> list[Drift]:
    """Return the drifts of flat rows.

    Parameters
    ----------
    reference : (n, n_columns) float32
        Reference rows: ranges, medians and spreads are theirs.
    ranked : (n_columns,) int
        Columns, the one that the classifier depends on most first.
    """
    return _calibrated(reference, ranked) + _others(reference, ranked)


def _calibrated(reference: Inputs, ranked: Columns) -> list[Drift]:
    """Return drifts of families that a detector's calibration uses."""
    spread, median = reference.std(axis=0), np.median(reference, axis=0)
    first, second, third = ranked[:1], ranked[1:2], ranked[:3]
    last = ranked[-1:]
    drifts = [
        Drift("noise_0.05", "noise", partial(_noise, spread=0.05 * spread), mild=True),
        Drift("noise_0.5", "noise", partial(_noise, spread=0.5 * spread)),
        Drift("noise_2", "noise", partial(_noise, spread=2 * spread)),
        Drift("shift_1", "shift", _shift(ranked[: max(1, len(ranked) // 2)], spread)),
        Drift("swap_quarter", "swap", partial(_swap, share=0.25)),
        Drift("lose_first", "lose", _set(first, median[first])),
        Drift("lose_quarter", "lose", partial(_lose, median=median, share=0.25)),
        Drift("zero_in_first", "sentinel", _set(first, 0)),
        Drift("minus_1_in_three", "sentinel", _set(third, -1)),
        Drift("minus_999_in_second", "sentinel", of_some(_set(second, -999), 0.5)),
        Drift("int32_max_in_first", "extreme", of_some(_set(first, 2**31 - 1), 0.2)),
        Drift("first_reversed_sign", "sign", _scaled(first, -1)),
        Drift("columns_1_2_swapped", "columns_swapped", _moved(ranked[:2], ranked[:2][::-1])),
        Drift("first_frozen", "frozen", _set(first, np.quantile(reference[:, first], 0.8))),
        Drift("first_shuffled", "shuffled", partial(_shuffled, columns=first)),
        Drift("last_shuffled", "shuffled", partial(_shuffled, columns=last), mild=True),
    ]
    units = (("10", 10), ("100", 100), ("1000", 1000), ("tenth", 0.1), ("hundredth", 0.01))
    for (name, factor), columns in zip(units, (first, second, third, first, second), strict=True):
        drifts.append(Drift(f"times_{name}", "units", _scaled(columns, factor)))
    return drifts


def _others(reference: Inputs, ranked: Columns) -> list[Drift]:
    """Return drifts of families that no calibration uses."""
    spread = reference.std(axis=0)
    first, second = ranked[:1], ranked[1:2]
    half = ranked[: max(2, len(ranked) // 2)]
    money, shares = _money(reference), _shares(reference)
    top, low = np.quantile(reference, [0.7, 0.25], axis=0).astype(np.float32)
    centred = (reference - reference.mean(axis=0)) / np.maximum(spread, 1e-9)
    principal = np.linalg.svd(centred[:2000], full_matrices=False)[2][0]
    direction = principal / np.abs(principal).max() * spread
    drifts = [
        Drift("log_of_first", "log", _each(first, lambda v: np.sign(v) * np.log1p(np.abs(v)))),
        Drift("clipped_at_70_percent", "clipped", lambda x, _: np.minimum(x, top)),
        Drift("first_clipped", "clipped", _each(first, lambda v: np.minimum(v, top[first]))),
        Drift("9999_in_first", "high_sentinel", of_some(_set(first, 9999), 0.2)),
        Drift("99999_in_second", "high_sentinel", of_some(_set(second, 99999), 0.2)),
        Drift("gradual_1", "gradual", partial(_gradual, direction=1.0 * direction)),
        Drift("gradual_3", "gradual", partial(_gradual, direction=3.0 * direction)),
        Drift("quantised", "quantised", partial(_quantised, step=1.5 * spread)),
        Drift("first_quantised", "quantised", _each(first, lambda v: v - v % (2 * spread[first]))),
        Drift(
            "three_columns_rotated", "rotated_columns", _moved(ranked[:3], ranked[:3][[1, 2, 0]])
        ),
        Drift("imputed_low", "imputed", of_some(_set(half, low[half]), 0.3)),
        Drift("three_tenths_swapped", "mixture", of_some(partial(_swap, share=1.0), 0.3)),
        Drift("three_tenths_zero", "mixture", of_some(_set(ranked, 0), 0.3)),
        Drift("three_tenths_of_first_halved", "mixture", of_some(_scaled(first, 0.5), 0.3)),
        Drift("seconds_for_minutes", "time_units", _scaled(first, 60)),
        Drift("months_for_years", "time_units", _scaled(second, 12)),
        Drift("kilometres_for_miles", "length_units", _scaled(first, 1.609)),
        Drift("kelvin_for_celsius", "offset", _each(second, lambda v: v + 273.15)),
        Drift("off_by_one", "off_by_one", lambda x, _: np.roll(x, 1, axis=1)),
        Drift("previous_rows_values", "lagged", partial(_lagged, columns=half)),
        Drift("inflation_2_percent", "inflation", _scaled(money, 1.02), mild=True),
        Drift("inflation_30_percent", "inflation", _scaled(money, 1.3)),
        Drift("cents_for_euros", "cents", _each(money, lambda v: np.round(v * 100))),
        Drift("thousands_for_euros", "thousands", _each(money, lambda v: np.floor(v / 1000))),
        Drift(
            "last_column_log", "log", _each(ranked[-1:], lambda v: np.log1p(np.abs(v))), mild=True
        ),
    ]
    if len(shares):
        drifts.append(Drift("percent_for_share", "percent", _scaled(shares, 100)))
        drifts.append(Drift("share_of_the_rest", "complement", _each(shares, lambda v: 1 - v)))
    return drifts


def _noise(x: Inputs, rng: np.random.Generator, spread: Inputs) -> Inputs:
    return x + spread * rng.standard_normal(x.shape)


def _shift(columns: Columns, spread: Inputs) -> Change:
    def change(x: Inputs, rng: np.random.Generator) -> Inputs:
        x[:, columns] += spread[columns] * rng.choice([-1, 1], len(columns))
        return x

    return change


def _swap(x: Inputs, rng: np.random.Generator, share: float) -> Inputs:
    """Put values of other rows in place of a share of the values."""
    return np.where(rng.random(x.shape) < share, rng.permuted(x, axis=0), x)


def _lose(x: Inputs, rng: np.random.Generator, median: Inputs, share: float) -> Inputs:
    return np.where(rng.random(x.shape) < share, median, x)


def _set(columns: Columns, value: float | Inputs) -> Change:
    def change(x: Inputs, _: np.random.Generator) -> Inputs:
        x[:, columns] = value
        return x

    return change


def _scaled(columns: Columns, factor: float) -> Change:
    return _each(columns, lambda values: values * factor)


def _each(columns: Columns, function: Function) -> Change:
    def change(x: Inputs, _: np.random.Generator) -> Inputs:
        x[:, columns] = function(x[:, columns])
        return x

    return change


def _moved(to: Columns, source: Columns) -> Change:
    def change(x: Inputs, _: np.random.Generator) -> Inputs:
        x[:, to] = x[:, source]
        return x

    return change


def _shuffled(x: Inputs, rng: np.random.Generator, columns: Columns) -> Inputs:
    x[:, columns] = rng.permuted(x[:, columns], axis=0)
    return x


def _gradual(x: Inputs, _: np.random.Generator, direction: Inputs) -> Inputs:
    """Move correlated columns together, the later a row the farther."""
    return x + np.linspace(0, 1, len(x))[:, None] * direction


def _quantised(x: Inputs, _: np.random.Generator, step: Inputs) -> Inputs:
    step = np.where(step > 0, step, 1)
    return np.round(x / step) * step


def _lagged(x: Inputs, _: np.random.Generator, columns: Columns) -> Inputs:
    """Join half of the columns with those of the row before, as an unstable sort does."""
    x[:, columns] = np.roll(x[:, columns], 1, axis=0)
    return x


def _money(reference: Inputs) -> Columns:
    """Return the columns with large, unbounded values; the one of the largest spread at least."""
    large = np.flatnonzero(np.abs(reference).max(axis=0) > 1000)
    return large if len(large) else np.array([int(reference.std(axis=0).argmax())])


def _shares(reference: Inputs) -> Columns:
    """Return the columns whose values lie in [0, 1] and are more than two."""
    inside = (reference.min(axis=0) >= 0) & (reference.max(axis=0) <= 1)
    several = np.array([len(np.unique(column)) > 2 for column in reference.T])
    return np.flatnonzero(inside & several)
