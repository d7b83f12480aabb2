"""A finished evaluation, read back from its directory.

Everything that shows an evaluation starts here, so it can be shown again at any time.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.errors import DriftMonitorError
from adversarial.evaluation.schemas import METRICS, PLACE, ROWS

Record = Mapping[str, Any]
Columns = Mapping[str, NDArray[Any]]

KINDS: dict[str, type] = {
    "attacks": list,
    "class_names": list,
    "corruptions": list,
    "dataset": str,
    "detectors": dict,
    "fprs": list,
    "model": str,
    "n": int,
    "seed": int,
    "threat_models": list,
}
"""What `config.json` must hold."""

METRICS_FILE = "metrics.parquet"
"""The numbers; an evaluation that has them is finished."""

NUMBER_COLUMNS = tuple(name for name in ROWS.names[len(PLACE) :] if name != "success")


class ResultsError(DriftMonitorError):
    """A directory holds no finished evaluation, or a file in it is damaged."""


@dataclass(frozen=True)
class Case:
    """What rows and numbers belong to: an attack under a threat model, or a corruption.

    Attributes
    ----------
    attack, threat_model : str, optional
        The attack, and the threat model it was made under.
    target : str, optional
        The defence that the attack was made against, where the attacker knows it.
    corruption : str, optional
    severity : int, optional
        Severity of the corruption, 1 to 5.
    """

    attack: str | None = None
    threat_model: str | None = None
    target: str | None = None
    corruption: str | None = None
    severity: int | None = None

    @property
    def stem(self) -> str:
        """Name of the case's files.

        Examples
        --------
        >>> Case("pgd-linf-8/255", "white-box", "kl").stem
        'pgd-linf-8_255-white-box-kl'
        """
        parts = (getattr(self, field.name) for field in fields(self))
        return "-".join(str(part).replace("/", "_") for part in parts if part is not None)

    @property
    def title(self) -> str:
        """Name of the case for people.

        Examples
        --------
        >>> Case("cw", "white-box", "kl").title
        'cw, white-box against kl'
        >>> Case(corruption="fog", severity=3).title
        'fog, severity 3'
        """
        if self.corruption is not None:
            return self.corruption + (
                "" if self.severity is None else f", severity {self.severity}"
            )
        against = "" if self.target is None else f" against {self.target}"
        named = ", ".join(part for part in (self.attack, self.threat_model) if part is not None)
        return f"{named}{against}" or "whole run"


@dataclass(frozen=True)
class Results:
    """An evaluation.

    Attributes
    ----------
    directory : Path
    config : mapping
        What was asked for (`config.json`).
    records : sequence of mapping
        The numbers, with the fields of `adversarial.evaluation.schemas.METRICS`.
    """

    directory: Path
    config: Mapping[str, Any]
    records: Sequence[Record]

    @property
    def defences(self) -> list[str]:
        """Names of the detectors, and of ensembles of them."""
        return [*self.config["detectors"], *self.config.get("ensembles", ())]

    def find(self, case: Case, metric: str, **named: object) -> Record | None:
        """Return a case's number of that name, or None; `named` gives its other fields."""
        wanted = {field.name: getattr(case, field.name) for field in fields(case)}
        wanted |= {"metric": metric} | named
        for record in self.records:
            if all(record.get(name) == value for name, value in wanted.items()):
                return record
        return None


def read_results(directory: Path) -> Results:
    """Return what a finished evaluation was asked for, and its numbers.

    Raises
    ------
    ResultsError
        If the directory holds no evaluation, an unfinished one, or a damaged `config.json` or
        `metrics.parquet`.
    """
    file, metrics = directory / "config.json", directory / METRICS_FILE
    if not file.is_file():
        raise ResultsError(
            f"{directory} holds no evaluation (no {file.name}): name the --output of "
            "'adversarial evaluate'"
        )
    if not metrics.is_file():
        raise ResultsError(
            f"{directory} holds an unfinished evaluation: give its 'adversarial evaluate' command "
            "again to continue it"
        )
    config = _read_config(file)
    # Runs from before there were targets have no such column.
    table = _read_table(metrics, METRICS, ["metric", "value"])
    if not table.num_rows:
        raise _damaged(metrics, "no numbers")
    records = [dict.fromkeys(METRICS.names) | record for record in table.to_pylist()]
    return Results(directory, config, records)


def read_rows(results: Results) -> dict[Case, dict[str, Columns]]:
    """Return the rows of `rows.parquet` by case and defence, in the order of `row`.

    Returns
    -------
    dict of Case to dict of str to mapping
        Columns by name, each (n,), int64 or float64.

    Raises
    ------
    ResultsError
        If the file is missing or damaged, or lacks a column.
    """
    file = results.directory / "rows.parquet"
    keys = [field.name for field in fields(Case)] + ["defence"]
    table = _read_table(file, ROWS, [*keys, *NUMBER_COLUMNS])
    if not table.num_rows:
        raise _damaged(file, "no rows")
    # Each group has one integer as its key: tuples are too slow for a table of a million rows.
    code = np.zeros(table.num_rows, np.int64)
    values = []
    for name in keys:
        encoded = table[name].combine_chunks().dictionary_encode()
        indices = np.asarray(encoded.indices.fill_null(len(encoded.dictionary)))
        values.append([*encoded.dictionary.to_pylist(), None])
        code = code * len(values[-1]) + indices
    order = np.lexsort((np.asarray(table["row"]), code))
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    columns = {name: column[order] for name, column in columns_of(table).items()}
    groups = []
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        rest, parts = int(code[order[start]]), []
        for known in reversed(values):
            rest, index = divmod(rest, len(known))
            parts.append(known[index])
        defence, *place = parts
        if stop - start != results.config["n"]:
            raise _damaged(
                file, f"{stop - start} rows of one attack or corruption, not {results.config['n']}"
            )
        part = {name: column[start:stop] for name, column in columns.items()}
        groups.append((int(order[start]), Case(*reversed(place)), defence, part))
    result: dict[Case, dict[str, Columns]] = {}
    for _, case, defence, part in sorted(groups, key=lambda group: group[0]):
        result.setdefault(case, {})[defence] = part
    return result


def columns_of(table: pa.Table) -> Columns:
    """Return the numbers of a table of rows by name, each (n,), int64 or float64."""
    return {name: np.asarray(table[name]) for name in NUMBER_COLUMNS}


def read_images(results: Results, case: Case) -> dict[str, NDArray[np.float32]]:
    """Return a case's example images by name, each (k, height, width, channels).

    Returns
    -------
    dict of str to array
        `original`, `attacked`, and for each defence `reconstruction_clean-<defence>` and
        `reconstruction-<defence>`. For a corruption, `attacked` are the drifted images.

    Raises
    ------
    ResultsError
        If a file is missing or damaged, or lacks an array.
    """
    originals = results.directory / "images" / "original.npy"
    file = results.directory / "images" / f"{case.stem}.npz"
    images = {"original": _load(originals)}
    arrays = _load(file)
    wanted = ["attacked"]
    for defence in results.defences:
        wanted += [f"reconstruction_clean-{defence}", f"reconstruction-{defence}"]
    for name in wanted:
        if name not in arrays:
            raise _damaged(file, f"no array {name!r}")
        images[name] = arrays[name]
        if images[name].shape != images["original"].shape:
            raise _damaged(
                file,
                f"{name!r} is of shape {images[name].shape}, and {originals.name} of "
                f"{images['original'].shape}",
            )
    return images


def case_of(record: Record) -> Case:
    """Return the case that a number belongs to."""
    return Case(**{field.name: record[field.name] for field in fields(Case)})


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error) from None
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    known: dict[str, Any] = config if isinstance(config, dict) else {}
    if known and known.keys().isdisjoint({"dataset", "model"}):
        raise ResultsError(
            f"{file.parent} holds another kind of evaluation (its config.json has no dataset and "
            "no model): expected one from 'adversarial evaluate'"
        )
    if "masking" in known:
        raise ResultsError(
            f"{file} says `masking`, which is `gradient_masking` now: give the run's 'adversarial "
            "evaluate' command again with another --output"
        )
    if absent := [name for name in KINDS if name not in known]:
        raise _damaged(file, f"no {', '.join(absent)}")
    for name, kind in (KINDS | {"ensembles": dict}).items():
        if not isinstance(known.get(name, {}), kind):
            raise _damaged(file, f"{name} is {known[name]!r}")
    for name, least in (("n", 1), ("seed", 0)):
        if known[name] < least:
            raise _damaged(file, f"{name} is {known[name]}")
    if not known["detectors"]:
        raise _damaged(file, "detectors is {}")
    rates = known["fprs"]
    if not rates or not all(isinstance(rate, float) and 0 < rate < 1 for rate in rates):
        raise _damaged(file, f"fprs is {rates!r}")
    return known


def _read_table(file: Path, schema: pa.Schema, needed: Sequence[str]) -> pa.Table:
    try:
        table = pq.read_table(file)
    except FileNotFoundError:
        raise _missing(file) from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _unreadable(file, error) from None
        raise _damaged(file, str(error)) from None
    if absent := [name for name in needed if name not in table.column_names]:
        raise _damaged(file, f"no column {', '.join(absent)}")
    for field in schema:
        if field.name not in table.column_names:
            continue
        column = table[field.name]
        if column.type != field.type:
            raise _damaged(file, f"the column {field.name} is of {column.type}, not {field.type}")
        if column.null_count and not field.nullable:
            raise _damaged(file, f"the column {field.name} has nulls")
        if pa.types.is_floating(field.type) and pc.any(pc.is_nan(column)).as_py():
            raise _damaged(file, f"the column {field.name} has NaN values")
    return table


def _load(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            result = np.load(opened, allow_pickle=False)
            return result if file.suffix == ".npy" else dict(result)
    except FileNotFoundError:
        raise _missing(file) from None
    except PermissionError as error:
        raise _unreadable(file, error) from None
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(file, str(error)) from None


def _missing(file: Path) -> ResultsError:
    return ResultsError(
        f"{file} is missing: give the run's 'adversarial evaluate' command again to write "
        "what is missing"
    )


def _unreadable(file: Path, error: OSError) -> ResultsError:
    return ResultsError(f"{file} cannot be read ({error.strerror}): let this user read it")


def _damaged(file: Path, why: str) -> ResultsError:
    return ResultsError(
        f"{file} is damaged ({why.splitlines()[0]}): remove it and give the run's "
        "'adversarial evaluate' command again"
    )
