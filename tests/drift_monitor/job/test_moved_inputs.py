"""Which input moved, through the job: fitted, scored, committed, judged again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adversarial.bundle.manifest import REFERENCE_INPUTS, InputSpec
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from adversarial.descriptors import descriptor_names
from drift_monitor import judge
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
from drift_monitor.detectors.reference import (
    CalibrationSettings,
    renew_reference,
    rethreshold,
)
from drift_monitor.job.rejudge import rejudge
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import read_report
from drift_monitor.scoring.input_columns import FILE_PROPERTIES
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.job.monitors import DAY, prepare

NAMES = (*descriptor_names((8, 8, 1)), *FILE_PROPERTIES)


@pytest.fixture
def older(bundle: Path, tmp_path: Path) -> Path:
    """A bundle without reference inputs, as older versions made it."""
    rewrite_bundle(read_bundle(bundle), tmp_path / "older", replaced=frozenset({REFERENCE_INPUTS}))
    return tmp_path / "older"


def darken(monitor_directory: Path) -> None:
    images, labels = make_images(300, seed=4)
    write_batch(monitor_directory / "batches" / f"{DAY}.parquet", images // 64 * 32, labels)


def test_the_bundle_keeps_the_inputs_of_its_reference(bundle: Path) -> None:
    read = read_bundle(bundle)
    inputs = read.reference_inputs()
    assert inputs is not None
    assert tuple(inputs.column_names) == NAMES
    assert set(inputs.schema.types) == {"float"}
    assert len(inputs) == len(read.reference())
    assert (np.asarray(inputs["jpeg"]) == 0).all()


def test_a_normal_day_moves_no_input_and_a_dark_one_is_named(
    make_monitor: MakeMonitor, tmp_path: Path, invoke: Invoke
) -> None:
    monitor, interval = prepare(make_monitor)
    report = run_interval(monitor, interval)
    assert report.inputs
    assert {test.name for test in report.inputs.tests} == set(NAMES)
    assert report.inputs.moved == []
    darken(tmp_path)
    code, out, _ = invoke("run", tmp_path / "animals.yaml", "--date", DAY)
    assert code == 0
    dark = read_report(monitor.directory / interval.id / "report.json").inputs
    assert dark
    assert {"brightness", "contrast", "file_size"} <= {test.name for test in dark.moved}
    assert "image descriptors moved." in out
    page = (monitor.directory / interval.id / "report.html").read_text()
    assert page.index("moved most (") < page.index('<h2 id="inputs">Which input moved')


def test_judged_again_the_findings_are_kept_and_follow_the_policy(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor, interval = prepare(make_monitor)
    darken(tmp_path)
    first = run_interval(monitor, interval)
    assert rejudge(monitor, interval).inputs == first.inputs
    assert first.inputs
    strict = monitor.model_copy(
        update={"policy": monitor.policy.model_copy(update={"min_effect": 1, "harm_margin": 1})}
    )
    again = rejudge(strict, interval).inputs
    assert again
    assert len(again.moved) < len(first.inputs.moved)


def test_a_notebook_finds_what_the_job_finds(
    make_monitor: MakeMonitor, tmp_path: Path, bundle: Path
) -> None:
    monitor, interval = prepare(make_monitor)
    darken(tmp_path)
    expected = run_interval(monitor, interval).inputs
    frame = pd.read_parquet(tmp_path / "batches" / f"{DAY}.parquet")
    assert judge(bundle, frame, row_id="id", label="label").inputs == expected


def test_tensors_are_compared_without_properties_of_files(bundle: Path) -> None:
    x = make_images(200, seed=4)[0][..., None]
    found = judge(bundle, pd.DataFrame({"image": list(x)})).inputs
    assert found
    assert {test.name for test in found.tests} == set(descriptor_names((8, 8, 1)))


def test_an_older_bundle_is_judged_without_them_and_renewed(
    make_monitor: MakeMonitor, tmp_path: Path, older: Path
) -> None:
    monitor, interval = prepare(make_monitor, detector=str(older))
    report = run_interval(monitor, interval)
    assert report.inputs
    assert report.inputs.tests == []
    assert "drift-monitor reference" in (report.inputs.skipped or "")
    page = (monitor.directory / interval.id / "report.html").read_text()
    assert "Inputs were not tested: the detector" in page

    data = DataConfig(path=str(tmp_path / "batches" / f"{DAY}.parquet"), input="image")
    renew_reference(older, data, CalibrationSettings(accuracy=False))
    inputs = read_bundle(older).reference_inputs()
    assert inputs is not None
    assert len(inputs) == 300
    rethreshold(older, 0.1)
    assert inputs.equals(read_bundle(older).reference_inputs())


def test_a_report_of_before_is_read_and_judged_again(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    report = run_interval(monitor, interval)
    fields = report.model_dump(mode="json", exclude={"inputs"})
    before = type(report).model_validate(fields)
    assert before.inputs is None
    file = monitor.directory / interval.id / "report.json"
    file.write_text(before.to_json(), encoding="utf-8")
    assert rejudge(monitor, interval).inputs is None
    assert 'id="inputs"' not in file.with_name("report.html").read_text()


def test_a_chunk_counts_the_rows_that_lack_each_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: np.arange(10.0) for name in "abc"})
    frame.loc[[1, 2], "a"] = np.nan
    frame.loc[2, "b"] = np.inf
    frame.to_parquet(tmp_path / "rows.parquet")
    data = DataConfig(path="x", input=list("abc"))
    spec = InputSpec(shape=(3,))
    chunks = list(Batch(str(tmp_path / "rows.parquet"), data, spec).chunks(4))
    counted = [chunk.missing for chunk in chunks if chunk.missing]
    assert [part.n_read for part in counted] == [4, 4, 2]
    assert np.sum([part.rows for part in counted], axis=0).tolist() == [2, 1, 0]
    assert [len(chunk.x) for chunk in chunks] == [2, 4, 2]
