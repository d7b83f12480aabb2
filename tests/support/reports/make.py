"""Reports of many kinds with matching score tables, made without a pipeline."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pyarrow as pa

from drift_monitor.intervals import Interval
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.report import (
    Counts,
    DetectorInfo,
    Health,
    ReferenceInfo,
    Report,
    ScoreQuantile,
    SelfTest,
    VerdictName,
)
from drift_monitor.results.report_findings import Harm
from tests.support.reports.cases import (
    ALPHA,
    MARGIN,
    QUANTILES,
    REFERENCE_ROWS,
    SMALL,
    THRESHOLD,
    Case,
)
from tests.support.reports.findings import (
    make_accuracy,
    make_corrections,
    make_examples,
    make_gain,
    make_slices,
    make_support,
    make_verdict,
)
from tests.support.reports.inputs import COLUMNS, make_inputs
from tests.support.reports.scores import difference, make_scores, make_tests, rate


@cache
def make(case: Case) -> tuple[Report, pa.Table]:
    """Return a report and its scores, which agree. They are made once: change copies."""
    rng = np.random.default_rng(case.seed)
    reference = np.exp(rng.normal(-4.5, 1.25, REFERENCE_ROWS))
    scores = make_scores(case, rng)
    sample = scores["adversarial_score"].to_numpy()
    flagged = scores["flagged"].to_numpy(zero_copy_only=False)
    outcome = np.array(scores["outcome"].to_pylist(), dtype=object)
    counts = Counts(
        read=case.rows + 2,
        scored=case.rows,
        rejected=2,
        flagged=int(flagged.sum()),
        labelled=case.rows if case.labels else 0,
        non_finite=0,
        outside_interval=0,
        without_time=0,
    )
    current = rate(int(np.sum(outcome == "harmful")), case.rows) if case.rows else None
    before = rate(405 if case.labels else 165, REFERENCE_ROWS)
    change = difference(current, before) if current else None
    tests = make_tests(case, reference, sample, outcome)
    report = Report(
        drift_monitor_version="0.1.0",
        monitor=case.monitor,
        interval=case.interval,
        data_interval=Interval(start=case.start, end=case.start + case.length),
        detector=DetectorInfo(
            path=f"examples/{case.word or 'fashion_mnist'}/detector",
            fingerprint="5f0c" * 16,
            class_names=case.class_names,
            threshold=THRESHOLD,
            fpr=0.05,
            temperature=1.0,
        ),
        data=[
            DataFile(
                path=f"s3://bucket/predictions/{case.word}{case.interval}/part-{i}.parquet",
                rows=case.rows // 2 + i,
                sha256="ab12" * 16,
            )
            for i in range(2)
        ],
        labels=[DataFile(path=f"labels/{case.word}.parquet", rows=case.rows, sha256="cd34" * 16)]
        if case.labels
        else [],
        reference=ReferenceInfo(
            kind="trailing" if case.trailing else "fixed",
            intervals=[
                f"{case.start - place * case.length:%Y-%m-%d}"
                for place in range(case.trailing, 0, -1)
            ],
            note=None,
            n=REFERENCE_ROWS,
            n_labelled=REFERENCE_ROWS,
            created=datetime(2026, 10, 9, 8, 30, tzinfo=UTC),
            score_quantiles=[float(q) for q in np.quantile(reference, np.linspace(0, 1, 501))],
            confidence_quantiles=np.linspace(0.35, 1, 101).tolist(),
            entropy_quantiles=np.geomspace(1e-5, 1.8, 101).tolist(),
        ),
        counts=counts,
        verdict=make_verdict(case, current, before, change, tests),
        harm=Harm(
            by="labels" if case.labels else "detector",
            definition="the prediction differs from the label"
            if case.labels
            else "flagged, and the corrected class is another",
            margin=MARGIN,
            confidence=0.95,
            left_out=0,
            current=current,
            reference=before,
            difference=change,
            p_value=0.00002 if case.verdict == "harmful_drift" else 0.4,
        ),
        accuracy=make_accuracy(case, current, before, change),
        tests=tests,
        inputs=make_inputs(case),
        support=make_support(case),
        score_quantiles=[
            ScoreQuantile(probability=p, score=float(np.quantile(sample, p)))
            for p in QUANTILES
            if case.rows
        ],
        slices=make_slices(case, scores, outcome),
        corrections=make_corrections(case, scores),
        correction_gain=make_gain(case, scores),
        examples=make_examples(case, scores, rng),
        detector_health=Health(
            flagged_share_reference=0.05,
            flagged_share_current=counts.flagged / counts.scored if counts.scored else None,
            new_rows_flagged_low=0.044,
            new_rows_flagged_high=0.056,
            logged_agreement=0.998 if case.rows else None,
            rejected_share=2 / counts.read,
            non_finite_share=0.0,
            reference_age_days=41.6,
            reference_self=SelfTest(statistic=0.021, p_value=0.61, n=REFERENCE_ROWS),
            reference_against_fixed=0.034 if case.trailing else None,
            warnings=[
                f"2 of {counts.read:,} rows could not be scored: not an image{case.word} (2)."
            ],
        ),
        config={
            "name": case.monitor,
            "detector": f"examples/{case.word or 'fashion_mnist'}/detector",
            "data": {
                "path": "s3://bucket/predictions/{date}/*.parquet",
                "input": [case.word + name for name in COLUMNS]
                if case.input == "flat"
                else "image",
                "segments": [f"{case.word}{name}" for name, _ in case.segments],
            },
            "every": "day",
            "timezone": "UTC",
            "policy": {"alpha": ALPHA, "min_effect": 0.1, "harm_margin": MARGIN, "min_rows": 100},
        },
    )
    return report, scores


def history(
    n: int,
    *,
    case: Case = SMALL,
    missing: Sequence[int] = (),
) -> list[Report]:
    """Return reports of n successive intervals without those at the places in `missing`."""
    names: list[VerdictName] = [
        *(("no_drift",) * 10),
        "drift_harm_unknown",
        "harmful_drift",
        "no_drift",
        "harmless_drift",
        "no_drift",
        "statistical_only",
        "insufficient_data",
    ]
    reports = []
    for i in range(n):
        place = i % len(names)
        like = replace(case, verdict=names[place], labels=i % 3 == 0, seed=place)
        own = replace(case, start=case.start + i * case.length)
        report = make(like)[0]
        changes = {
            "interval": own.interval,
            "data_interval": Interval(start=own.start, end=own.start + own.length),
            "detector": report.detector.model_copy(
                update={"fingerprint": ("5f0c" if i < n / 2 else "e9a1") * 16}
            ),
        }
        reports.append(report.model_copy(update=changes))
    return [report for i, report in enumerate(reports) if i not in missing]
