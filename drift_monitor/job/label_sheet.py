"""A sample of an interval's rows for a person to label: what to look at, and an empty column."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from adversarial.bundle.manifest import InputSpec
from adversarial.bundle.read import read_bundle
from adversarial.files import replace_file
from adversarial.masking import mask_secrets
from drift_monitor.batches.decoding import (
    IMAGE_MODES,
    JPEG_START,
    decode_rows,
    is_image,
    numbers_in,
)
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.config import DataConfig, Monitor
from drift_monitor.errors import BatchError, LabelError
from drift_monitor.job.label_files import LabelColumns, read_label_file
from drift_monitor.results.read import Result
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn, row_keys

READ_ROWS = 4096
"""Rows of the batch that are looked through at a time."""


def label_sheet(monitor: Monitor, result: Result, rows: pa.Table, output: Path) -> pa.Table:
    """Return the table in which a person writes the labels of these rows.

    Its columns are those that name the row, the input, the prediction, and `label`, which is empty.
    Images are written as files to the directory `<output>_images` beside the table, and their
    column holds the path.

    Parameters
    ----------
    monitor, result : Monitor, Result
        Whose rows they are.
    rows : pyarrow.Table
        Rows of the result's score table.
    output : Path
        Where the table will be written.

    Raises
    ------
    BatchError
        If the batch is no longer there, or has changed since.
    """
    data = DataConfig.model_validate(result.report.config["data"])
    hidden = {*monitor.data.redact, *(() if monitor.data.show_inputs else data.input_columns)}
    if hidden.issuperset(data.input_columns):
        return empty_sheet(rows)
    # The report shows no secrets of URLs, so the files behind such URLs are looked up again.
    path = monitor.batch_path(result.report.data_interval)
    found = find_files(path) if mask_secrets(path) != path else []
    urls = {mask_secrets(url): url for url in found}
    inputs = _inputs(data, result, rows, urls)
    column = inputs.schema.field(0)
    spec = read_bundle(monitor.detector, monitor.detector_key).manifest.input
    if len(spec.shape) == 3 and spec.shape[2] in IMAGE_MODES:
        paths = _write_images(inputs, spec, output.with_name(f"{output.stem}_images"))
        inputs = pa.table({column.name: paths})
    elif numbers_in(column.type) is not None:
        inputs = pa.table({column.name: [json.dumps(row) for row in _lists(inputs[column.name])]})
    sheet = empty_sheet(rows)
    place = sheet.column_names.index(ScoreColumn.PREDICTION)
    for name in reversed([name for name in inputs.column_names if name not in hidden]):
        shown = f"input_{name}" if name in sheet.column_names else name
        sheet = sheet.add_column(place, shown, inputs[name])
    return sheet


def empty_sheet(rows: pa.Table) -> pa.Table:
    """Return such a table without the input, for batches that cannot be read again."""
    names = [name for name in (ScoreColumn.ROW_ID, *FILE_AND_ROW) if name in rows.column_names]
    sheet = rows.select([*names, ScoreColumn.PREDICTION])
    return sheet.append_column(ScoreColumn.LABEL.value, pa.nulls(len(sheet), pa.string()))


def check_unlabelled(path: Path) -> None:
    """Refuse to replace a file in which somebody has written labels.

    Raises
    ------
    LabelError
        If it has some.
    """
    if not path.exists():
        return
    names = (ScoreColumn.LABEL.value,)
    try:
        table, _ = read_label_file(str(path), LabelColumns(names, names), ())
    except (BatchError, LabelError):  # no labels are in it
        return
    if filled := len(table) - table[ScoreColumn.LABEL].null_count:
        raise LabelError(
            f"{path} has {filled:,} labels in it, which would be lost: apply them (drift-monitor "
            "labels), or write to another file"
        )


def _inputs(data: DataConfig, result: Result, rows: pa.Table, urls: Mapping[str, str]) -> pa.Table:
    """Return the input columns of the rows, read again from the batch, in the order of the rows."""
    wanted = row_keys(rows)
    found: list[pa.Table] = []
    keys: list[pa.Array] = []
    for file in result.report.data:
        source = ParquetSource(urls.get(file.path, file.path))
        for key, inputs in _keyed(source, data):
            meant = pc.is_in(key, value_set=wanted)
            found.append(inputs.filter(meant))
            keys.append(key.filter(meant))
        if source.describe() != file:
            raise BatchError(
                f"{file.path} has changed since it was scored: run the interval again "
                "(drift-monitor run)"
            )
    at = pc.index_in(wanted, value_set=pa.chunked_array(keys, pa.string()).combine_chunks())
    return pa.concat_tables(found).take(at)


def _keyed(source: ParquetSource, data: DataConfig) -> Iterator[tuple[pa.Array, pa.Table]]:
    """Yield the keys and the input columns of a file's rows, some at a time."""
    names = [*([data.row_id] if data.row_id else []), *data.input_columns]
    first = 0
    for table in source.tables(READ_ROWS, list(dict.fromkeys(names))):
        if data.row_id:
            named = pa.table({ScoreColumn.ROW_ID.value: table[data.row_id]})
        else:
            rows = np.arange(first, first + len(table))
            named = pa.table({"file": pa.repeat(source.name, len(table)), "row": rows})
        yield row_keys(named), table.select(data.input_columns)
        first += len(table)


def _write_images(inputs: pa.Table, spec: InputSpec, directory: Path) -> list[str]:
    """Write images as files, numbered in the order of the rows, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (content, suffix) in enumerate(_image_files(inputs, spec), 1):
        paths.append(directory / f"{number:04d}{suffix}")
        with replace_file(paths[-1]) as scratch:
            scratch.write_bytes(content)
    return [str(path) for path in paths]


def _image_files(inputs: pa.Table, spec: InputSpec) -> Iterator[tuple[bytes, str]]:
    column = inputs.column(0)
    if is_image(column.type):
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, "bytes")
        for content in column.to_pylist():
            yield content, ".jpg" if content.startswith(JPEG_START) else ".png"
        return
    low, high = spec.value_range
    x, _ = decode_rows(inputs, spec)
    pixels = np.clip(np.round((x - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0] if spec.shape[2] == 1 else image).save(buffer, "png")
        yield buffer.getvalue(), ".png"


def _lists(column: pa.ChunkedArray) -> list[list[float]]:
    array = column.combine_chunks()
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    values: list[list[float]] = storage.to_pylist()
    return values
