"""The directory of an evaluation: what was asked for, numbers, rows and example images.

`config.json` is what was asked for; `metrics.parquet` and `metrics.json` hold one record per number
(`evaluation.attack_metrics`); `rows.parquet` what each defence said of each row before and after an
attack or a corruption; `images/` the first rows as pictures; `attacks/` the attacked rows batch by
batch, from which a killed run continues.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.detector.scorer import Prediction
from adversarial.errors import DriftMonitorError
from adversarial.evaluation.estimates import Metric
from adversarial.evaluation.schemas import METRICS, PLACE, ROWS
from adversarial.files import describe_changes, replace_file, write_json

Rows = NDArray[np.float32]
Record = dict[str, Any]

N_IMAGES = 5
"""Rows that are kept as pictures."""

OWN = {
    "attacks",
    "figures",
    "images",
    "metrics.json",
    "metrics.parquet",
    "report.html",
    "rows.parquet",
}
"""What a run leaves beside `config.json`. The attacks keep a note of what they belong to."""


class RunError(DriftMonitorError):
    """A directory does not hold the evaluation that was asked for."""


def claim(output: Path, config: Record) -> None:
    """Note what the directory is for, or check that it is for the same.

    Raises
    ------
    RunError
        If it holds a run of another configuration, or something else.
    """
    file = output / "config.json"
    if not file.exists():
        if output.is_file() or (
            output.exists()
            and {p.name for p in output.iterdir() if not p.name.startswith(".")} - OWN
        ):
            raise RunError(f"{output} holds no evaluation: give another --output")
        try:
            output.mkdir(parents=True, exist_ok=True)
            write_json(file, config)
        except OSError as error:
            raise RunError(f"{output} cannot be written ({error}): give another --output") from None
        return
    try:
        result, why = json.loads(file.read_text(encoding="utf-8")), "no object"
    except (ValueError, RecursionError) as error:
        result, why = None, str(error)
    if not isinstance(result, dict):
        raise RunError(f"{file} is damaged ({why}): remove it; finished attacks will be used again")
    # Each attack's own directory records its hyper-parameters.
    told = [{**what, "hyper_parameters": None} for what in (result, config)]
    if changed := describe_changes(*told):
        raise RunError(
            f"{output} holds an evaluation with other settings ({changed}): give another --output, "
            "or remove it"
        )


def as_records(metrics: Sequence[Metric], place: Mapping[str, Any]) -> Iterator[Record]:
    """Yield metrics with the fields of `METRICS`."""
    for metric in metrics:
        numbers = {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in metric.estimate._asdict().items()
        }
        what = {"metric": metric.name, "fpr": metric.fpr, "policy": metric.policy}
        yield dict.fromkeys(METRICS.names) | dict(place) | what | numbers


def as_rows(
    before: Prediction,
    after: Prediction,
    entropies: tuple[NDArray[np.float64], NDArray[np.float64]],
    y: NDArray[np.int64],
    success: NDArray[np.bool_] | None,
    place: Mapping[str, Any],
) -> pa.Table:
    """Return a defence's predictions for each row, with the fields of `ROWS`."""
    n = len(y)
    values: dict[str, Any] = {
        "row": np.arange(n),
        "label": y,
        "success": success,
        "prediction_clean": before.prediction,
        "prediction": after.prediction,
        "reconstruction_prediction_clean": before.reconstruction_prediction,
        "reconstruction_prediction": after.reconstruction_prediction,
        "score_clean": before.score,
        "score": after.score,
        "entropy_clean": entropies[0],
        "entropy": entropies[1],
    }
    values |= {name: [place.get(name)] * n for name, _ in PLACE}
    return pa.table(
        [
            pa.nulls(n, field.type)
            if values[field.name] is None
            else pa.array(values[field.name], field.type)
            for field in ROWS
        ],
        schema=ROWS,
    )


def write_images(output: Path, name: str, images: Mapping[str, Rows]) -> None:
    """Keep the pictures of one case: an array (k, height, width, channels) for each key."""
    directory = output / "images"
    directory.mkdir(exist_ok=True)
    with replace_file(directory / f"{name.replace('/', '_')}.npz") as scratch:
        np.savez_compressed(scratch, allow_pickle=False, **images)


def write_original(output: Path, x: Rows) -> None:
    """Keep the first rows, before any attack, as pictures."""
    directory = output / "images"
    directory.mkdir(exist_ok=True)
    np.save(directory / "original.npy", x[:N_IMAGES])


def write_results(
    output: Path, config: Record, records: Sequence[Record], rows: Sequence[pa.Table]
) -> None:
    """Write numbers and rows; `metrics.json` comes last, and says that the run is finished."""
    table = pa.Table.from_pylist(list(records), METRICS)
    parts = {"rows.parquet": pa.concat_tables(rows), "metrics.parquet": table}
    for name, part in parts.items():
        with replace_file(output / name) as scratch:
            pq.write_table(part, scratch, compression="zstd")
    write_json(output / "metrics.json", {"config": config, "metrics": table.to_pylist()})
