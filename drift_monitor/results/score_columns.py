"""The columns of `scores.parquet`: their names, order and types, and how a row is named."""

from collections.abc import Collection, Mapping
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from drift_monitor.arrow_values import UTC_MICROSECONDS, unwrapped, utc_times, value_text


class ScoreColumn(StrEnum):
    """A column of a score table, in the order of the table; the segments follow."""

    ROW_ID = "row_id"
    FILE = "file"
    ROW = "row"
    TIMESTAMP = "timestamp"
    PREDICTION = "prediction"
    CONFIDENCE = "confidence"
    ENTROPY = "entropy"
    SCORE = "adversarial_score"
    FLAGGED = "flagged"
    NOVELTY = "novelty"
    NOVEL = "novel"
    CORRECTED_PREDICTION = "corrected_prediction"
    OUTCOME = "outcome"
    RECONSTRUCTION_PREDICTION = "reconstruction_prediction"
    RECONSTRUCTION_CONFIDENCE = "reconstruction_confidence"
    PROBABILITY_CORRECT = "probability_correct"
    RECONSTRUCTION_PROBABILITY_CORRECT = "reconstruction_probability_correct"
    LOGGED_PREDICTION = "logged_prediction"
    LABEL = "label"
    CLEAN_PREDICTION = "clean_prediction"


FILE_AND_ROW = (ScoreColumn.FILE, ScoreColumn.ROW)

IDENTITY = (*FILE_AND_ROW, ScoreColumn.ROW_ID, ScoreColumn.TIMESTAMP)
"""Say which row it is: the row id if the monitor names one, else file and row; and its time."""

SCORED = (
    ScoreColumn.PREDICTION,
    ScoreColumn.CONFIDENCE,
    ScoreColumn.ENTROPY,
    ScoreColumn.SCORE,
    ScoreColumn.FLAGGED,
    ScoreColumn.RECONSTRUCTION_PREDICTION,
    ScoreColumn.RECONSTRUCTION_CONFIDENCE,
)
"""What the detector says: in every score table, and in every reference window."""

ESTIMATES = (ScoreColumn.PROBABILITY_CORRECT, ScoreColumn.RECONSTRUCTION_PROBABILITY_CORRECT)
"""Present if the detector has an accuracy estimator. Corrected prediction and outcome are always
present once the interval has been judged; the other columns are optional, if the monitor names
them."""

_ORDER: dict[str, int] = {column: place for place, column in enumerate(ScoreColumn)}
_TYPES: dict[str, pa.DataType] = {
    ScoreColumn.ROW: pa.int64(),
    ScoreColumn.TIMESTAMP: UTC_MICROSECONDS,
    ScoreColumn.CONFIDENCE: pa.float32(),
    ScoreColumn.ENTROPY: pa.float64(),
    ScoreColumn.SCORE: pa.float64(),
    ScoreColumn.FLAGGED: pa.bool_(),
    ScoreColumn.NOVELTY: pa.float32(),
    ScoreColumn.NOVEL: pa.bool_(),
    ScoreColumn.RECONSTRUCTION_CONFIDENCE: pa.float32(),
    ScoreColumn.PROBABILITY_CORRECT: pa.float64(),
    ScoreColumn.RECONSTRUCTION_PROBABILITY_CORRECT: pa.float64(),
}

REJECTED_SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string())])

LARGEST_WHOLE_FLOAT = 2**53

FLOAT_NOTATION = r"^-?(\d+\.0+|\d\.\d+[eE]\+?\d+|\d[eE]\+\d+)$"
"""How pandas, Arrow and spreadsheets write whole numbers that are floats; not `1e5`, which may be
an id in hexadecimal digits."""


def segment_column(segment: str) -> str:
    """Return the name of a segment's column in a score table.

    It is the segment's own, or `segment_<name>` where a score column has that name.
    """
    return f"segment_{segment}" if segment in _ORDER else segment


def column_type(name: str) -> pa.DataType:
    """Return the type of a score table's column; segments are text, as are most columns."""
    return _TYPES.get(name, pa.string())


def repeated_texts(schema: pa.Schema) -> list[str]:
    """Return the columns of texts that occur again and again, which a dictionary makes smaller."""
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type) and field.name != ScoreColumn.ROW_ID
    ]


def make_score_table(columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """Return columns as a score table, in its order and with its types; segments come last."""
    names = sorted(columns, key=lambda name: _ORDER.get(name, len(_ORDER)))
    return pa.table({name: _of_type(columns[name], column_type(name)) for name in names})


def _of_type(values: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_string(kind):
        return value_text(values)
    return utc_times(values) if pa.types.is_timestamp(kind) else values.cast(kind)


def with_column(table: pa.Table, column: ScoreColumn, values: pa.Array) -> pa.Table:
    """Set a column of a score table, or insert it in its place if the table lacks it.

    Examples
    --------
    >>> table = pa.table({"prediction": ["cat"], "flagged": [True], "label": ["dog"]})
    >>> with_column(table, ScoreColumn.OUTCOME, pa.array(["harmful"])).column_names
    ['prediction', 'flagged', 'outcome', 'label']
    """
    if column in table.column_names:
        return table.set_column(table.schema.get_field_index(column), column.value, values)
    place = sum(_ORDER.get(name, len(_ORDER)) < _ORDER[column] for name in table.column_names)
    return table.add_column(place, column.value, values)


def without_columns(table: pa.Table, columns: Collection[ScoreColumn]) -> pa.Table:
    """Return a score table without these columns, whether or not it has them."""
    return table.select([name for name in table.column_names if name not in columns])


def row_keys(table: pa.Table) -> pa.Array:
    """Return a name for each row: its `row_id`, or its `file` and `row` in one text.

    Null where a part is null. Ids are compared as `id_text` writes them.

    Examples
    --------
    >>> row_keys(pa.table({"file": ["part.parquet"], "row": [7]})).to_pylist()
    ['row 7 of part.parquet']
    """
    if ScoreColumn.ROW_ID in table.column_names:
        key = id_text(table[ScoreColumn.ROW_ID])
    else:
        row = pc.cast(id_text(table[ScoreColumn.ROW]), pa.int64()).cast(pa.string())
        file = table[ScoreColumn.FILE].cast(pa.string())
        key = pc.binary_join_element_wise("row ", row, " of ", file, "")
    return key.combine_chunks() if isinstance(key, pa.ChunkedArray) else key


def id_text(ids: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return ids as text (`arrow_values.value_text`), whole numbers without floats' notation.

    pandas makes floats of whole numbers with gaps, and writes them to CSV as such. From 2^53 on,
    floats do not tell neighbours apart: these stay in the notation of floats (`inexact_id`).

    Examples
    --------
    >>> id_text(pa.array([1.7e12, 0.5, float("nan")])).to_pylist()
    ['1700000000000', '0.5', None]
    >>> id_text(pa.array(["1700000000000.0", "1.7e+12", "007", "1e5"])).to_pylist()
    ['1700000000000', '1700000000000', '007', '1e5']
    """
    ids = unwrapped(ids)
    if pa.types.is_floating(ids.type):
        ids = ids.cast(pa.float64())
        usable = pc.and_(pc.equal(pc.floor(ids), ids), pc.less(pc.abs(ids), LARGEST_WHOLE_FLOAT))
        whole = pc.if_else(usable, ids, None).cast(pa.int64()).cast(pa.string())
        rest = pc.if_else(pc.is_nan(ids), None, ids).cast(pa.string())
        return pc.coalesce(whole, rest)
    text = value_text(ids)
    like_floats = pc.fill_null(pc.match_substring_regex(text, FLOAT_NOTATION), False)
    if not pc.any(like_floats).as_py():
        return text
    plain = pa.array([_plain(value) for value in text.filter(like_floats).to_pylist()], pa.string())
    if isinstance(text, pa.ChunkedArray):
        text, like_floats = text.combine_chunks(), like_floats.combine_chunks()
    return pc.replace_with_mask(text, like_floats, plain)


def inexact_id(keys: pa.Array) -> str | None:
    """Return the first of some row keys that is a float of 2^53 or more, or None.

    Examples
    --------
    >>> inexact_id(id_text(pa.array([12.0, 2.0**60])))
    '1.152921504606847e+18'
    """
    found = keys.filter(pc.fill_null(pc.match_substring_regex(keys, FLOAT_NOTATION), False))
    large = (key for key in found.to_pylist() if abs(float(key)) >= LARGEST_WHOLE_FLOAT)
    return next(large, None)


def _plain(text: str) -> str:
    number = float(text)
    is_exact = abs(number) < LARGEST_WHOLE_FLOAT and number.is_integer()
    return str(int(number)) if is_exact else text
