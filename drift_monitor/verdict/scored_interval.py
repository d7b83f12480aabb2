"""What is known of an interval once its batch has been scored: all that a report is built from."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from adversarial.bundle.read import Bundle
from adversarial.runtimes.guard_figures import ScoredBy
from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import InputFindings, RenderedExample, Support
from drift_monitor.scoring.reference_window import ReferenceWindow


class Scoring(BaseModel):
    """What scoring an interval gives besides its score table.

    Attributes
    ----------
    fingerprint : str
        Fingerprint of the detector that scored it.
    files : list of DataFile
        The batch's files.
    n_read : int
        Rows in them.
    rendered : list of RenderedExample
        The rows with the highest scores.
    scored_by : ScoredBy, optional
        What computed the models' outputs; not in reports of older versions.
    inputs : InputFindings, optional
        Which inputs moved; not in reports of older versions.
    support : Support, optional
        How far its rows are like the detector's calibration rows; not in reports of older versions.
    labels : list of DataFile
        Files of labels that arrived later.
    seconds : float, optional
        How long it took; not in a report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    files: list[DataFile]
    n_read: int
    rendered: list[RenderedExample]
    scored_by: ScoredBy | None = None
    inputs: InputFindings | None = None
    support: Support | None = None
    labels: list[DataFile] = []
    seconds: float | None = None

    @classmethod
    def of(cls, report: Report) -> Self:
        """Return what a report says about the scoring of its interval."""
        return cls(
            fingerprint=report.detector.fingerprint,
            files=report.data,
            n_read=report.counts.read,
            rendered=list(report.examples),
            scored_by=report.scored_by,
            inputs=report.inputs,
            support=report.support,
            labels=report.labels,
        )

    def with_labels(self, labels: list[DataFile]) -> Self:
        """Return a copy with other files of labels that arrived later."""
        return self.model_copy(update={"labels": labels})


@dataclass(frozen=True)
class ScoredInterval:
    """An interval that has been scored.

    Attributes
    ----------
    monitor, interval : Monitor, Interval
        Which batch was scored.
    bundle : Bundle
        The detector that scored it.
    window : ReferenceWindow
        What it is compared with.
    scores : pyarrow.Table
        The score table, complete or as scoring returns it.
    rejected : Counter of str
        Reasons why rows could not be scored, with their number.
    scoring : Scoring
        What else scoring gave.
    """

    monitor: Monitor
    interval: Interval
    bundle: Bundle
    window: ReferenceWindow
    scores: pa.Table
    rejected: Counter[str]
    scoring: Scoring
