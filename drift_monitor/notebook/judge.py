"""Rows scored and judged where they are, without a monitor file and without writing anything."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar, Unpack

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from adversarial.bundle.manifest import InputSpec
from adversarial.bundle.read import read_bundle
from adversarial.calibration.closer_rows import closer_rows
from adversarial.errors import ModelError, validation_reasons
from drift_monitor.analysis.corrections import corrected_classes, likelier
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.analysis.support import find_support
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig, HarmByOption, Monitor, Policy
from drift_monitor.errors import ConfigError
from drift_monitor.notebook.frames import Rows, as_batch
from drift_monitor.results.report import Report
from drift_monitor.results.score_columns import (
    FILE_AND_ROW,
    ScoreColumn,
    without_columns,
)
from drift_monitor.scoring.examples import render_examples
from drift_monitor.scoring.input_summary import summary_for
from drift_monitor.scoring.reference_window import reference_window
from drift_monitor.scoring.score_table import BatchScores, score_batch
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.verdict.build_report import build_report, with_corrections, with_estimates
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring

if TYPE_CHECKING:
    import pandas as pd

    from adversarial.detector.scorer import Scorer

Model = TypeVar("Model", bound=BaseModel)

IMAGE_COLUMN = "image"
"""The input column where none is named and the detector was not fitted on named columns."""


class Columns(TypedDict, total=False):
    """What columns mean; as `data` in a monitor's YAML file."""

    input: str | Sequence[str]
    shape: Sequence[int]
    row_id: str
    timestamp: str
    prediction: str
    label: str
    clean_prediction: str
    segments: Sequence[str]


def score(
    detector: "str | Path | Scorer", rows: Rows, **columns: Unpack[Columns]
) -> "pd.DataFrame":
    """Score rows with a detector.

    Parameters
    ----------
    detector : str, Path or Scorer
        The directory of a bundle, or what was loaded from one, to score more than once, with
        `adversarial.load_scorer` or `AdversarialDetector.load`.
    rows : pandas.DataFrame, pyarrow.Table, str or Path
        The rows, or the path, glob or URL of Parquet files. Images are PNG or JPEG files as bytes,
        or NumPy arrays of one shape; bytes (uint8) are scaled as pixels, other numbers are taken as
        they are.
    **columns
        What columns mean: `input` is the input column, or the numeric columns of flat rows; when
        not given, those that the detector was fitted on, or `image`. The others (`label`,
        `segments`, …) are those of `data` in a monitor's YAML file.

    Returns
    -------
    pandas.DataFrame
        One row for each row given, with the index of the DataFrame; rows of files are named by the
        columns `file` and `row`. The columns are those of `scores.parquet` but for `outcome`, and
        `rejected`: why a row could not be scored, null where it was. What was not scored has no
        other values. `corrected_prediction` differs from `prediction` where a row by itself allows
        it; what such corrections gain over a batch, and whether it is bounded, `judge` tells.

    Raises
    ------
    DriftMonitorError
        If the detector or a file is missing or damaged, or a column is missing or of the wrong type
        or shape.
    """
    loaded = _load(detector)
    data = _data(loaded.input_spec, rows, columns)
    scored = _score(loaded, rows, data)
    table = with_estimates(scored.table, loaded.calibration.accuracy_estimator)
    each = ScoredRows.of(table, loaded.class_names, ())
    corrected = corrected_classes(each, likelier(each))
    return _frame(rows, scored, with_corrections(table, corrected, loaded.class_names))


def judge(
    detector: "str | Path | Scorer",
    rows: Rows,
    *,
    harm_by: HarmByOption | None = None,
    policy: Policy | None = None,
    when: date | None = None,
    name: str = "notebook",
    **columns: Unpack[Columns],
) -> Report:
    """Judge rows against the reference window of a detector's bundle.

    The report is that of `drift-monitor run`; a notebook shows its first screen. Nothing is
    written.

    Parameters
    ----------
    detector, rows, **columns
        As in `score`.
    harm_by : {"auto", "labels", "paired", "detector"}, optional
        How harmful is told from harmless; the policy's when not given.
    policy : Policy, optional
        What counts as drift and as harm.
    when : date, optional
        The day that the rows are of, in UTC; today when not given. It names the report's interval,
        and tells how old the reference is.
    name : str
        The report's name for what is monitored: letters, digits, "-", "_" and ".".

    Raises
    ------
    DriftMonitorError
        As `score`; or if the policy demands labels that are missing, or the detector is of no
        bundle.
    """
    loaded = _load(detector)
    bundle = loaded.bundle
    if bundle is None:
        raise ModelError(
            "the detector was not loaded from a bundle, so there is nothing to compare with: save "
            "it, and load it with adversarial.load_scorer"
        )
    data = _data(loaded.input_spec, rows, columns)
    policy = policy or Policy()
    if harm_by is not None:
        policy = policy.model_copy(update={"harm_by": harm_by})
    monitor = _checked(
        Monitor, {"name": name, "detector": str(bundle.path), "data": data, "policy": policy}
    )
    interval = monitor.interval(when or datetime.now(UTC).date())
    spec = bundle.manifest.input
    scored = _score(loaded, rows, data, monitor.examples, bundle.reference_inputs())
    report, _ = build_report(
        ScoredInterval(
            monitor=monitor,
            interval=interval,
            bundle=bundle,
            window=reference_window(monitor, bundle, interval),
            scores=scored.table,
            rejected=Counter(row.reason for row in scored.found.rejected),
            scoring=Scoring(
                fingerprint=bundle.fingerprint,
                files=scored.batch.files(),
                n_read=scored.batch.n_rows,
                rendered=render_examples(loaded, scored.found.examples),
                scored_by=loaded.scored_by,
                inputs=find_moved_inputs(scored.found.inputs, spec, policy),
                support=find_support(
                    scored.found.sample,
                    loaded.calibration,
                    loaded.class_names,
                    partial(closer_rows, loaded),
                ),
            ),
        )
    )
    # Every command is about a monitor's YAML file and its committed intervals.
    return report.model_copy(update={"verdict": report.verdict.model_copy(update={"commands": []})})


class _Scored(NamedTuple):
    batch: Batch
    found: BatchScores
    table: pa.Table


def _load(detector: "str | Path | Scorer") -> "Scorer":
    from adversarial.detector.loading import load_scorer
    from adversarial.detector.scorer import Scorer

    return detector if isinstance(detector, Scorer) else load_scorer(read_bundle(detector))


def _data(spec: InputSpec, rows: Rows, columns: Columns) -> DataConfig:
    path = str(rows) if isinstance(rows, str | Path) else "notebook"
    fields: dict[str, Any] = {
        "path": path.replace("{", "{{").replace("}", "}}"),
        "input": spec.feature_names or IMAGE_COLUMN,
        **columns,
    }
    return _checked(
        DataConfig, {k: v if isinstance(v, str) else list(v) for k, v in fields.items() if v}
    )


def _checked(model: type[Model], fields: dict[str, Any]) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        words = {"extra_forbidden": "there is no such option"}
        raise ConfigError(validation_reasons(error, words)) from None


def _score(
    detector: "Scorer",
    rows: Rows,
    data: DataConfig,
    n_examples: int = 0,
    reference: pa.Table | None = None,
) -> _Scored:
    named = [data.row_id, data.timestamp, data.prediction, data.label, data.clean_prediction]
    needed = [*data.input_columns, *filter(None, named), *data.segments]
    batch = Batch(as_batch(rows, list(dict.fromkeys(needed))), data, detector.input_spec)
    inputs = summary_for(reference, detector.input_spec, files=batch.has_image_files)
    result = BatchScores(inputs=inputs)
    tables = list(score_batch(detector, batch, result, n_examples=n_examples))
    return _Scored(batch, result, pa.concat_tables(tables))


def _frame(rows: Rows, scored: _Scored, table: pa.Table) -> "pd.DataFrame":
    """Return a score table with a row for each row that was read, rejected ones included."""
    import pandas as pd

    first_rows, n = scored.batch.first_rows, scored.batch.n_rows
    reasons = {first_rows[row.file] + row.row: row.reason for row in scored.found.rejected}
    frame: pd.DataFrame = without_columns(table, FILE_AND_ROW).to_pandas()
    flags = [name for name in (ScoreColumn.FLAGGED, ScoreColumn.NOVEL) if name in frame]
    frame = frame.astype({name.value: "boolean" for name in flags})
    frame.index = pd.Index([row for row in range(n) if row not in reasons])
    frame = frame.reindex(range(n))
    frame["rejected"] = pd.Series(reasons, dtype="str").reindex(range(n))
    if isinstance(rows, str | Path):
        files, counts = zip(*scored.batch.rows_of.items(), strict=True)
        frame.insert(0, "row", np.concatenate([np.arange(count) for count in counts]))
        frame.insert(0, "file", np.repeat(files, counts))
    if isinstance(rows, pd.DataFrame):
        frame.index = rows.index
    return frame
