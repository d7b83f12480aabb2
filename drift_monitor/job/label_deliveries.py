"""Late labels kept in files of their own beside an interval's report, so that no run loses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from drift_monitor.errors import StoreError
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.read import read_scores
from drift_monitor.results.report import StoredFile
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn, row_keys, with_column
from drift_monitor.results.store import Store, stored

METADATA = b"drift_monitor"


class Origin(BaseModel):
    """Where the labels of a delivery are from, and what they were given to.

    Attributes
    ----------
    labels : list of DataFile
        The files that held them.
    batch : list of DataFile
        The files of the batch as it had been scored then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: list[DataFile]
    batch: list[DataFile]


@dataclass(frozen=True)
class Delivery:
    """Labels that were given to an interval at one time.

    Attributes
    ----------
    file : StoredFile
        Where they are kept.
    table : pyarrow.Table
        The columns that name the row, and `label`. No key recurs.
    origin : Origin
        Where they are from.
    """

    file: StoredFile
    table: pa.Table
    origin: Origin


def deliver(
    store: Store, interval: str, scores: pa.Table, labels: pa.StringArray, origin: Origin
) -> None:
    """Keep labels for an interval, unless it was given the very same ones last.

    Parameters
    ----------
    store, interval : Store, str
        Whose labels they are.
    scores : pyarrow.Table
        The interval's score table.
    labels : pyarrow.StringArray
        The label of each row, null where none is given.
    origin : Origin
        Where they are from.
    """
    table = labelled_rows(scores, labels).replace_schema_metadata(
        {METADATA: origin.model_dump_json()}
    )
    content = BytesIO()
    pq.write_table(table, content, compression="zstd")
    if earlier := store.labels(interval):
        last = (store.folder / interval).read(earlier[-1])
        if last == content.getvalue():
            return
    store.add_labels(interval, content.getvalue())


def labelled_rows(scores: pa.Table, labels: pa.StringArray) -> pa.Table:
    """Return the rows that are given a label: the columns that name them, and the label."""
    by_id = ScoreColumn.ROW_ID in scores.column_names
    table = scores.select([ScoreColumn.ROW_ID] if by_id else list(FILE_AND_ROW))
    return table.append_column(ScoreColumn.LABEL.value, labels).filter(labels.is_valid())


def read_deliveries(store: Store, interval: str) -> list[Delivery]:
    """Return the labels that an interval has been given, in the order in which they were given.

    Raises
    ------
    StoreError
        If a file cannot be read.
    """
    folder = store.folder / interval
    result = []
    for name in store.labels(interval):
        try:
            file = stored(folder, name)
            with folder.open(name) as opened:
                table = pq.ParquetFile(opened).read()
            origin = Origin.model_validate_json(table.schema.metadata[METADATA])
        except (pa.ArrowException, OSError, KeyError, TypeError, ValidationError) as error:
            raise StoreError(
                f"{folder}/{name} cannot be read ({str(error).splitlines()[0]}): remove it, and "
                "give its labels again (drift-monitor labels)"
            ) from None
        result.append(Delivery(file, table, origin))
    return result


def with_deliveries(
    scores: pa.Table,
    deliveries: Sequence[Delivery],
    batch: Sequence[DataFile],
    class_names: Sequence[str],
) -> tuple[pa.Table, list[DataFile]]:
    """Return a score table with labels that it has been given.

    Of several labels for a row, the last counts. Those that were given to the batch as it is
    replace its own. Where the batch has changed since, its own labels come first, and a row is only
    known by an id that is unique, or by its place in a file that has not changed.

    Parameters
    ----------
    scores : pyarrow.Table
        The table.
    deliveries : sequence of Delivery
        From `read_deliveries`.
    batch : sequence of DataFile
        The files that have been scored.
    class_names : sequence of str
        The detector's; a label that is none of them is left out.

    Returns
    -------
    pyarrow.Table, list of DataFile
        The table, and the files of the labels in it.
    """
    if not deliveries:
        return scores, []
    keys = row_keys(scores)
    is_single, classes = _is_single(keys), pa.array(class_names, pa.string())
    own = pa.nulls(len(keys), pa.string())
    if ScoreColumn.LABEL in scores.column_names:
        own = scores[ScoreColumn.LABEL].cast(pa.string()).combine_chunks()
    first = second = pa.nulls(len(keys), pa.string())  # before and after the batch's own labels
    found = []
    for delivery in deliveries:
        given = _given(delivery, scores, keys, batch)
        given = pc.if_else(pc.and_(is_single, pc.is_in(given, classes)), given, None)
        if set(batch) <= set(delivery.origin.batch):
            first = pc.coalesce(given, first)
        else:
            second = pc.coalesce(given, second)
        found.append(given)
    result = pc.coalesce(first, own, second)
    files = [
        file
        for delivery, given in zip(deliveries, found, strict=True)
        if pc.any(pc.equal(given, result)).as_py()
        for file in delivery.origin.labels
    ]
    if not files:
        return scores, []
    return with_column(scores, ScoreColumn.LABEL, result), list(dict.fromkeys(files))


def adopt_labels(store: Store, interval: str) -> None:
    """Keep in a file the late labels that an earlier version kept in the score table alone."""
    try:
        report = store.read(interval)
        if report.files is not None or not report.labels or store.labels(interval):
            return
        scores = read_scores(store.folder / interval)
    except StoreError:  # not committed, or damaged: a new run fixes that
        return
    labels = scores[ScoreColumn.LABEL].cast(pa.string()).combine_chunks()
    labels = pc.if_else(_is_single(row_keys(scores)), labels, None)
    deliver(store, interval, scores, labels, Origin(labels=report.labels, batch=report.data))


def _given(
    delivery: Delivery, scores: pa.Table, keys: pa.Array, batch: Sequence[DataFile]
) -> pa.StringArray:
    """Return the label that a delivery has for each row, null where it has none."""
    table = delivery.table
    if (ScoreColumn.ROW_ID in table.column_names) != (ScoreColumn.ROW_ID in scores.column_names):
        return pa.nulls(len(keys), pa.string())  # the monitor names rows in another way since
    if ScoreColumn.FILE in table.column_names:
        changed = [file.path for file in batch if file not in delivery.origin.batch]
        is_in = pc.is_in(table[ScoreColumn.FILE].cast(pa.string()), pa.array(changed, pa.string()))
        table = table.filter(pc.invert(is_in))
    label = table[ScoreColumn.LABEL].combine_chunks()
    return label.take(pc.index_in(keys, value_set=row_keys(table)))


def _is_single(keys: pa.Array) -> pa.BooleanArray:
    """Return which keys occur only once."""
    counts = keys.value_counts()
    single = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    return pc.is_in(keys, value_set=single)
