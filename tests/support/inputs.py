"""Inputs of batches and references, made from arrays."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.batches.batch import Chunk, Missing, Rejected
from drift_monitor.config import Policy
from drift_monitor.results.report_findings import InputFindings, InputTest
from drift_monitor.scoring.input_columns import reference_inputs
from drift_monitor.scoring.input_summary import InputSummary, summary_for

Rows = NDArray[np.float32]


def chunk(x: NDArray[np.floating], missing: list[int] | None = None) -> Chunk:
    """Return rows as a batch gives them, and as many rejected ones as lack a column."""
    rejected = [Rejected("a.parquet", row, "missing") for row in range(sum(missing or ()))]
    counts = np.array(missing or [0] * x.shape[1])
    return Chunk(
        file="a.parquet",
        rows=np.arange(len(x)),
        x=np.asarray(x, np.float32),
        columns=pa.table({}),
        rejected=rejected,
        missing=Missing(len(x) + len(rejected), counts) if x.ndim == 2 else None,
    )


def summed_up(reference: Chunk, *chunks: Chunk, spec: InputSpec | None = None) -> InputSummary:
    """Return the summary of chunks against a reference."""
    spec = spec or InputSpec(shape=reference.x.shape[1:])
    summary = summary_for(reference_inputs([reference], spec), spec)
    assert summary
    for each in chunks:
        summary.add(each)
    return summary


def findings(reference: Chunk, *chunks: Chunk, **policy: float) -> InputFindings:
    """Return which inputs of chunks moved against a reference."""
    spec = InputSpec(shape=reference.x.shape[1:])
    return find_moved_inputs(summed_up(reference, *chunks), spec, Policy.model_validate(policy))


def compared(reference: NDArray[np.floating], current: NDArray[np.floating]) -> InputTest:
    """Return the test of one column."""
    (test,) = findings(chunk(reference[:, None]), chunk(current[:, None])).tests
    return test
