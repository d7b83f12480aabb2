"""Batches of Fashion-MNIST's test images, judged as a run does: by the quickstart's detector."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial import load_scorer
from adversarial.calibration.closer_rows import closer_rows
from adversarial.detector.scorer import Scorer
from adversarial.support.novelty import Described
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.analysis.support import find_support
from drift_monitor.batches.batch import Batch, Chunk
from drift_monitor.config import HarmByOption, Monitor, Policy
from drift_monitor.results.score_columns import ScoreColumn, without_columns
from drift_monitor.scoring.input_summary import summary_for
from drift_monitor.scoring.reference_window import ReferenceWindow, reference_window
from drift_monitor.scoring.row_sample import RowSample
from drift_monitor.verdict.build_report import build_report
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring

EXAMPLE = Path(__file__).parents[1] / "examples" / "fashion_mnist"

Rows = NDArray[np.int64]
Images = NDArray[np.float32]


@dataclass(frozen=True)
class Scored:
    """Scored images, with their labels and with what describes them."""

    x: Images
    table: pa.Table
    described: Described

    def take(self, rows: Rows) -> Self:
        """Return some of them."""
        table = self.table.take(pa.array(rows))
        return type(self)(self.x[rows], table, self.described.take(rows))

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        right = np.asarray(self.table[ScoreColumn.LABEL]) == np.asarray(self.table["prediction"])
        return float(right.mean())


class Judge:
    """Scores images with the quickstart's detector, and gives verdicts on batches of them.

    Parameters
    ----------
    bundle : Path
        Another bundle of the same models.
    """

    def __init__(self, bundle: Path = EXAMPLE / "detector") -> None:
        self.path = bundle
        self.detector: Scorer = load_scorer(bundle)

    @cached_property
    def _test(self) -> tuple[Images, pa.Array]:
        data = self._monitor("labels").data
        path = str(EXAMPLE / "test.parquet")
        chunks = list(Batch(path, data, self.detector.input_spec).chunks(4096))
        x = np.concatenate([chunk.x for chunk in chunks])
        labels = np.concatenate([np.asarray(chunk.columns["label"]) for chunk in chunks])
        return x, pa.array(self.detector.class_names).take(pa.array(labels))

    def score(self, n: int, change: Callable[[Images], Images] = lambda x: x) -> Scored:
        """Return the first n test images, changed and scored."""
        x, labels = self._test
        x, index = change(x[:n]), self.detector.calibration.novelty
        if index is None:
            raise ValueError("the detector has no index of novelty")
        result = self.detector.predict(x)
        rows = index.description(x, result.features)
        scores = result.to_table(self.detector.class_names)
        novelty = index.novelty(rows)
        scores = scores.append_column(ScoreColumn.NOVELTY, pa.array(novelty))
        scores = scores.append_column(ScoreColumn.NOVEL, pa.array(novelty > 1))
        scores = scores.append_column(ScoreColumn.LABEL, labels[:n])
        return Scored(x, scores, index.principal(rows))

    def scoring(self, batch: Scored) -> Scoring:
        """Return what scoring a batch gives besides its table."""
        detector, spec = self.detector, self.detector.input_spec
        inputs = summary_for(detector.calibration.reference_inputs, spec)
        if inputs is not None:
            inputs.add(Chunk("", np.arange(len(batch.x)), batch.x, pa.table({})))
        sample = RowSample()
        sample.add(0, batch.table, batch.described)
        return Scoring(
            fingerprint=detector.fingerprint or "",
            files=[],
            n_read=len(batch.x),
            rendered=[],
            inputs=find_moved_inputs(inputs, spec, Policy()),
            support=find_support(
                sample, detector.calibration, detector.class_names, partial(closer_rows, detector)
            ),
        )

    def verdict(
        self,
        batch: Scored,
        scoring: Scoring,
        harm_by: HarmByOption,
        reference: Scored | None = None,
    ) -> str:
        """Return the verdict on a batch, by its labels or without them.

        It is compared with other images where they are given, else with the detector's own.
        """
        monitor, bundle = self._monitor(harm_by), self.detector.bundle
        if bundle is None:
            raise ValueError("the detector is of no bundle")
        interval = monitor.interval(date(2026, 11, 16))
        window = reference_window(monitor, bundle, interval)
        if reference is not None:
            window = ReferenceWindow(
                reference.table,
                window.own_score,
                window.accuracy_estimator,
                window.novel_held_out,
            )
        hidden = [ScoreColumn.LABEL] if harm_by == "detector" else []
        scores = without_columns(batch.table, hidden)
        report, _ = build_report(
            ScoredInterval(monitor, interval, bundle, window, scores, Counter(), scoring)
        )
        return report.verdict.verdict

    def _monitor(self, harm_by: HarmByOption) -> Monitor:
        data = {"path": "images.parquet", "input": "image"}
        if harm_by == "labels":
            data["label"] = "label"
        fields = {"name": "images", "detector": str(self.path), "data": data}
        return Monitor.model_validate(fields | {"policy": {"harm_by": harm_by}})
