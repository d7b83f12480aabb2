"""The columns of `scores.parquet`, and what names a row."""

import pyarrow as pa
import pyarrow.compute as pc

from drift_monitor.errors import LabelError

SCORE_COLUMNS = {
    "row_id",
    "file",
    "row",
    "timestamp",
    "prediction",
    "confidence",
    "entropy",
    "adversarial_score",
    "flagged",
    "corrected_prediction",
    "reconstruction_prediction",
    "reconstruction_confidence",
    "probability_correct",
    "reconstruction_probability_correct",
    "outcome",
    "logged_prediction",
    "label",
    "clean_prediction",
}
TIMESTAMP = pa.timestamp("us", "UTC")
REJECTED_SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string())])


def segment_column(segment: str) -> str:
    """Return the name of a segment's column in a score table.

    It is the segment's own, or `segment_<name>` where a score column has that name.
    """
    return f"segment_{segment}" if segment in SCORE_COLUMNS else segment


IDENTITY = ("file", "row", "row_id", "timestamp")
"""Columns of a score table that say which row it is; nothing asks that of a reference row."""

LARGEST_WHOLE_FLOAT = 2**53


def row_keys(table: pa.Table) -> pa.Array:
    """Return what names each row: its `row_id`, or `file` and `row` in one text.

    Null where a part is null.

    Examples
    --------
    >>> row_keys(pa.table({"file": ["part.parquet"], "row": [7]})).to_pylist()
    ['row 7 of part.parquet']
    """
    if "row_id" in table.column_names:
        key = _whole(table["row_id"]).cast(pa.string())
    else:
        row = table["row"].cast(pa.int64()).cast(pa.string())
        key = pc.binary_join_element_wise("row ", row, " of ", table["file"].cast(pa.string()), "")
    return key.combine_chunks() if isinstance(key, pa.ChunkedArray) else key


def _whole(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids that are whole numbers in floats, as pandas leaves those with gaps, as integers.

    Beyond 2^53 a float does not tell neighbours apart.
    """
    if not pa.types.is_floating(ids.type):
        return ids
    if (pc.max(pc.abs(ids)).as_py() or 0) >= LARGEST_WHOLE_FLOAT:
        raise LabelError(
            "its ids are floating-point numbers of 2^53 or more, which does not tell all of them "
            "apart: write them as integers or text"
        )
    whole = pc.all(pc.equal(pc.floor(ids), ids)).as_py()
    return ids.cast(pa.int64()) if whole else ids
