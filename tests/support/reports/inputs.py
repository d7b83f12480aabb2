"""What a report finds in its inputs."""

import numpy as np
import pyarrow as pa

from adversarial.bundle.manifest import InputSpec
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.batches.batch import Chunk, Missing
from drift_monitor.config import Policy
from drift_monitor.results.report_findings import InputFindings
from drift_monitor.scoring.input_columns import reference_inputs
from drift_monitor.scoring.input_summary import summary_for
from tests.support.reports.cases import ALPHA, MARGIN, SHIFT, Case

ROWS = 1500
COLUMNS = ("income", "age", "kind", "rate", "since")


def make_inputs(case: Case) -> InputFindings | None:
    """Return findings of the case's kind; None where a report of many has no need of them."""
    if case.input == "none" or not case.examples:
        return None
    names = tuple(case.word + name for name in COLUMNS)
    spec = InputSpec(shape=(8, 8, 3))
    if case.input == "flat":
        spec = InputSpec(shape=(len(names),), feature_names=names)
    rng = np.random.default_rng(case.seed)
    policy = Policy(alpha=ALPHA, harm_margin=MARGIN)
    if not case.accuracy_estimator:
        return find_moved_inputs(None, spec, policy)
    summary = summary_for(reference_inputs([_chunk(case, rng, ROWS)], spec), spec)
    assert summary
    summary.add(_chunk(case, rng, case.rows, shift=SHIFT[case.verdict]))
    return find_moved_inputs(summary, spec, policy)


def _chunk(case: Case, rng: np.random.Generator, n: int, shift: float = 0.0) -> Chunk:
    if case.input == "flat":
        x = np.stack(
            [
                rng.lognormal(8, 1, n) * (1 + 50 * shift),
                rng.integers(18, 90, n) + 0.4 * (shift > 0.5),
                rng.integers(0, 4, n) + (rng.random(n) < shift / 8),
                rng.normal(0, 1, n),
                np.zeros(n),
            ],
            axis=1,
        )
    else:
        x = rng.uniform(0, 0.8, (n, 8, 8, 3)) ** (1 + shift)
    missing = np.array([0, n // 50 if shift else 0, 0, 0, 0])
    return Chunk(
        "a.parquet",
        np.arange(n),
        x.astype(np.float32),
        pa.table({}),
        missing=Missing(n, missing) if case.input == "flat" else None,
    )
