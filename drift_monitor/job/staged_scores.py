"""Scores on their way from one step of the job to the next, in Arrow's own format.

They are written once, read once and removed. Encoding them as Parquet in between would take longer
than scoring flat rows does.
"""

from collections.abc import Iterable
from itertools import chain

import pyarrow as pa
import pyarrow.ipc

from adversarial.storage.folder import Folder, writing
from adversarial.storage.local_folder import LocalFolder

STAGED = "scores.arrow"


def stage(folder: Folder, tables: Iterable[pa.Table]) -> None:
    """Write score tables, at least one, to a staging folder as one; all get the first's types."""
    # A network is slower than compression, and a disk is not.
    compression = None if isinstance(folder, LocalFolder) else "zstd"
    rest = iter(tables)
    first = next(rest)
    with (
        writing(folder, STAGED) as path,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(
            file, first.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
        ) as writer,
    ):
        for table in chain([first], rest):
            writer.write_table(table.cast(first.schema))


def read_staged(folder: Folder) -> pa.Table:
    """Read the score table in a staging folder."""
    with folder.open(STAGED) as file:
        return pa.ipc.open_file(file).read_all()
