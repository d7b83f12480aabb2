"""The labelled data sets in the package `nannyml`, whose environment the benchmarks make.

Its own classifiers are not used: every one is trained here, on numbers alone. A text or a category
becomes its position in the order below.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers import nannyml_python

from ..data.rows import Rows, Source

REFERENCE = 5_000

ORDERS: dict[str, tuple[str, ...]] = {
    "salary_range": ("0 - 20K €", "20K - 40K €", "40K - 60K €", "60K+ €"),
    "acq_channel": ("Organic", "Partner1", "Partner2", "Partner3", "Partner4"),
    "app_channel": ("store", "web", "mobile"),
}


def census(n_train: int) -> Source:
    """Return the US census, employment in Massachusetts: 2015, and 2016 to 2018 in order."""
    before = _read("employment_MA_reference.pq")
    after = _read("employment_MA_analysis.pq")
    after["employed"] = _read("employment_MA_analysis_target.pq")["employed"]
    leave = ("id", "employed", "year", "prediction", "predicted_probability")
    columns = [name for name in before.columns if name not in leave]
    return _source(before, after, columns, "employed", ("not_employed", "employed"), n_train)


def car_loan(n_train: int) -> Source:
    """Return the synthetic car loans; the later half of what came after has drifted."""
    before = _read("synthetic_car_loan_reference.csv")
    after = _read("synthetic_car_loan_analysis.csv")
    after["repaid"] = _read("synthetic_car_loan_analysis_target.csv")["repaid"]
    columns = [
        "car_value",
        "salary_range",
        "debt_to_income_ratio",
        "loan_length",
        "repaid_loan_on_prev_car",
        "size_of_downpayment",
        "driver_tenure",
    ]
    return _source(before, after, columns, "repaid", ("not_repaid", "repaid"), n_train)


def credit_cards(n_train: int) -> Source:
    """Return the synthetic applications for three kinds of credit card."""
    before, after = _read("mc_reference.csv"), _read("mc_analysis.csv")
    after["y_true"] = _read("mc_analysis_gt.csv")["y_true"]
    columns = [
        "acq_channel",
        "app_behavioral_score",
        "requested_credit_limit",
        "app_channel",
        "credit_bureau_score",
        "stated_income",
        "is_customer",
    ]
    names = ("prepaid_card", "highstreet_card", "upmarket_card")
    return _source(before, after, columns, "y_true", names, n_train)


def _read(name: str) -> pd.DataFrame:
    python = nannyml_python()
    (directory,) = python.parent.parent.glob("lib/python*/site-packages/nannyml/datasets/data")
    path: Path = directory / name
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def _source(
    before: pd.DataFrame,
    after: pd.DataFrame,
    columns: list[str],
    target: str,
    class_names: tuple[str, ...],
    n_train: int,
) -> Source:
    old, later = (_rows(frame, columns, target, class_names) for frame in (before, after))
    order = np.random.default_rng(0).permutation(len(old))
    train, reference, production = (
        old.take(part) for part in np.split(order, [n_train, n_train + REFERENCE])
    )
    return Source(class_names, tuple(columns), train, reference, production, later)


def _rows(
    frame: pd.DataFrame, columns: list[str], target: str, class_names: tuple[str, ...]
) -> Rows:
    x = np.stack([_numbers(frame[name]) for name in columns], axis=1)
    values = frame[target]
    text = set(values.dropna().unique()) <= set(class_names)
    y = values.map(class_names.index) if text else values
    known = np.isfinite(x).all(axis=1) & values.notna().to_numpy()
    return Rows(x[known], y.to_numpy()[known].astype(np.int64))


def _numbers(values: "pd.Series[Any]") -> Any:
    """Return a column as float32: percentages as shares, ordered texts by their position."""
    if values.name in ORDERS:
        order = ORDERS[str(values.name)]
        return values.map(order.index).to_numpy(np.float32)
    if values.name == "size_of_downpayment":
        return values.str.rstrip("%").to_numpy(np.float32) / 100
    return pd.to_numeric(values.astype(float)).to_numpy(np.float32)
