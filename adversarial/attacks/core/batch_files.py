"""The directory of a run: attacked batches, kept so that a killed run continues from them."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from adversarial.attacks.core.result import AttackResult
from adversarial.attacks.core.victim import Rows
from adversarial.errors import AttackError
from adversarial.files import describe_changes, replace_file, write_json


def claim_directory(
    directory: Path, settings: Mapping[str, Any], fingerprint: list[list[float]]
) -> None:
    """Note what a directory is for, or check that it is for the same.

    Parameters
    ----------
    directory : Path
        Directory of the batches; it is created if it does not exist.
    settings : mapping
        What the batches depend on, as JSON values.
    fingerprint : list of list of float
        Losses and margins of some rows, which tell models and criteria apart.

    Raises
    ------
    AttackError
        If it holds the batches of another attack, or `attack.json` is damaged.
    """
    file = directory / "attack.json"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(file, {"settings": settings, "fingerprint": fingerprint})
        return
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        known, before = dict(result["settings"]), np.array(result["fingerprint"], np.float64)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise AttackError(f"{file} is damaged ({error}): remove {directory}") from None
    changed = describe_changes(known, settings)
    now = np.array(fingerprint)
    # The last digits may differ from one process to the next.
    is_same = before.shape == now.shape and np.allclose(before, now, rtol=1e-3, atol=1e-3)
    if not changed and not is_same:
        changed = "another model or criterion"
    if changed:
        raise AttackError(
            f"{directory} holds another attack ({changed}): give another directory, or remove "
            "this one"
        )


def write_batch(file: Path, batch: Mapping[str, Any]) -> None:
    """Keep an attacked batch: the fields of `AttackResult` as arrays."""
    with replace_file(file) as scratch:
        np.savez(scratch, allow_pickle=False, **batch)


def read_batch(file: Path, x: Rows) -> dict[str, Any]:
    """Return what is kept of a batch.

    Raises
    ------
    AttackError
        If the file is not a batch of as many rows as `x`, of the same shape.
    """
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            batch, why = dict(stored), "other arrays, or values that are not finite"
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        batch, why = {}, str(error)
    shapes = {name: values.shape for name, values in batch.items()}
    rows = {field.name: (len(x),) for field in fields(AttackResult)}
    is_whole = shapes == rows | {"x_adv": x.shape, "seconds": ()}
    if not is_whole or not np.isfinite(batch["x_adv"]).all():
        raise AttackError(f"{file} is damaged ({why}): remove it to attack its rows again")
    return batch
