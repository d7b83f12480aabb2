"""The drifts that a classifier of the study is judged under."""

import zlib

import keras
import numpy as np

from .changes.drift import CALIBRATED, Drift
from .changes.flat import Columns, flat_drifts
from .changes.images import image_drifts
from .changes.selection import (
    brightest,
    class_mixes,
    natural,
    nulls,
    selections,
    subpopulation,
)
from .classifiers import Prepared
from .data.rows import Rows

__all__ = ["CALIBRATED", "Drift", "drifts_for", "make_batch"]

RANKED_BY = 1_000
"""Reference rows by which columns are ranked."""
RANKED = 60
"""Columns that are tried, at most."""


def drifts_for(prepared: Prepared) -> list[Drift]:
    """Return the drifts of a classifier, batches without drift first."""
    probabilities = prepared.probabilities
    drifts = nulls() + class_mixes(prepared.production, probabilities) + selections(probabilities)
    if prepared.columns:
        ranked = rank_columns(prepared)
        drifts += flat_drifts(prepared.reference.x, ranked)
        drifts += [
            subpopulation("upper_half_of_first", int(ranked[0])),
            subpopulation("upper_half_of_second", int(ranked[1])),
        ]
    else:
        drifts += [*image_drifts(prepared.reference.x.shape[-1]), brightest()]
    if prepared.later is not None:
        drifts += natural(prepared.later, prepared.batch)
    return drifts


def make_batch(drift: Drift, prepared: Prepared) -> Rows:
    """Return the batch of a drift, the same every time."""
    rng = np.random.default_rng([zlib.crc32(drift.name.encode()), 1])
    return drift(prepared.production, prepared.batch, rng)


def rank_columns(prepared: Prepared) -> Columns:
    """Return the columns, first those whose shuffling changes most predictions.

    Of tables with more than `RANKED` columns, those that are not tried come in the middle.
    """
    model = keras.models.load_model(prepared.classifier)
    x = prepared.reference.x[:RANKED_BY]
    rng = np.random.default_rng(0)
    before = np.asarray(model.predict(x, batch_size=512, verbose=0)).argmax(axis=1)
    tried = rng.permutation(x.shape[1])[:RANKED]
    copies = np.repeat(x[None], len(tried), axis=0)
    for copy, column in zip(copies, tried, strict=True):
        copy[:, column] = rng.permutation(copy[:, column])
    p = model.predict(copies.reshape(-1, x.shape[1]), batch_size=4096, verbose=0)
    changed = (np.asarray(p).argmax(axis=1).reshape(len(tried), -1) != before).mean(axis=1)
    order = tried[np.argsort(-changed, kind="stable")]
    half = (len(order) + 1) // 2
    rest = np.setdiff1d(np.arange(x.shape[1]), tried)
    return np.concatenate([order[:half], rest, order[half:]])
