"""How many rows of a batch have an id that another row before them has."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.scoring.row_sample import mixed

Hashes = NDArray[np.uint64]

WORD = 8
"""Bytes of a text that are hashed at a time."""
ROWS_AT_ONCE = 65_536
"""Bounds the memory beside the hashes, and keeps it in a core's cache."""


def count_repeats(ids: pa.ChunkedArray) -> int:
    """Return how many ids are there beyond the distinct ones; nulls are none.

    Equal texts have equal hashes, so that only those are compared of which others have the hash.

    Examples
    --------
    >>> count_repeats(pa.chunked_array([["a", "b", None], ["a", None, "a"]]))
    2
    """
    if ids.null_count:
        ids = ids.drop_null()
    hashes = text_hashes(ids)
    hashes.sort()
    shared = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(shared):
        return 0
    hashes = text_hashes(ids)
    place = np.minimum(np.searchsorted(shared, hashes), len(shared) - 1)
    ids = ids.filter(pa.array(shared[place] == hashes))
    # One ending after the other: a set of all ids would be the largest thing in memory.
    endings = pc.utf8_slice_codeunits(ids, -1)
    distinct = sum(
        pc.count_distinct(ids.filter(pc.equal(endings, ending))).as_py()
        for ending in endings.unique()
    )
    return int(len(ids) - distinct)


def text_hashes(texts: pa.ChunkedArray) -> Hashes:
    """Return a number for each text, (n,): equal for equal texts, and seldom for others.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray of string
        Without nulls.
    """
    result, done = np.empty(len(texts), np.uint64), 0
    for chunk in texts.chunks:
        for first in range(0, len(chunk), ROWS_AT_ONCE):
            part = _hashes(chunk.slice(first, ROWS_AT_ONCE))
            result[done : done + len(part)] = part
            done += len(part)
    return result


def _hashes(texts: pa.StringArray) -> Hashes:
    _, positions, content = texts.buffers()
    ends = np.frombuffer(positions, np.int32)[texts.offset :][: len(texts) + 1].astype(np.int64)
    starts, sizes = ends[:-1], np.diff(ends)
    # Behind the last text there must be something for a whole word to be read.
    held = np.zeros(int(ends[-1] - ends[0]) + WORD, np.uint8)
    if content is not None:
        held[:-WORD] = np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
    words = np.ndarray(len(held) - WORD + 1, "<u8", held, strides=(1,))  # at every byte
    result = mixed(sizes.astype(np.uint64))
    for first in range(0, int(sizes.max(initial=0)), WORD):
        rows = np.flatnonzero(sizes > first)
        word = words[starts[rows] - ends[0] + first]
        beyond = np.maximum(WORD - (sizes[rows] - first), 0).astype(np.uint64) * np.uint64(8)
        result[rows] = mixed(result[rows] ^ (word << beyond))
    return result
