"""Monitors: the YAML file, its paths and its errors."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from drift_monitor.config import DataConfig, load_monitor
from drift_monitor.errors import ConfigError
from tests.support.job.monitors import BERLIN, monitor

SMALLEST: dict[str, Any] = {"detector": "detector", "data": {"path": "x.parquet", "input": "x"}}


def write(path: Path, fields: object) -> Path:
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


def merged(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest monitor with some fields changed, and None for those to leave out."""
    data = changes.get("data", {})
    fields = SMALLEST | changes
    if isinstance(data, dict):
        fields["data"] = {k: v for k, v in (SMALLEST["data"] | data).items() if v is not None}
    return {k: v for k, v in fields.items() if v is not None}


# Paths


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("x.parquet", "{dir}/x.parquet"),
        ("./x/*.parquet", "{dir}/x/*.parquet"),
        ("../data/x.parquet", "{parent}/data/x.parquet"),
        ("/data/x.parquet", "/data/x.parquet"),
        ("s3://bucket/x.parquet", "s3://bucket/x.parquet"),
        ("memory://x/../y.parquet", "memory://x/../y.parquet"),
    ],
)
@pytest.mark.parametrize("relative", [False, True], ids=["absolute-yaml", "relative-yaml"])
def test_paths_are_taken_from_the_directory_of_the_yaml_and_urls_stay(
    path: str, resolved: str, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "monitors"
    directory.mkdir()
    write(directory / "m.yaml", merged({"data": {"path": path}}))
    monkeypatch.chdir(tmp_path)
    found = load_monitor("monitors/m.yaml" if relative else directory / "m.yaml")
    expected = resolved.format(dir=directory, parent=tmp_path)
    assert found.data.path == expected


@pytest.mark.parametrize(
    ("path", "resolved"), [("d", "{dir}/d"), ("../d", "{parent}/d"), ("/d", "/d")]
)
def test_the_detector_is_taken_from_the_directory_of_the_yaml(
    path: str, resolved: str, tmp_path: Path
) -> None:
    found = load_monitor(write(tmp_path / "m.yaml", merged({"detector": path})))
    assert found.detector == resolved.format(dir=tmp_path, parent=tmp_path.parent)


@pytest.mark.parametrize(
    ("reports", "directory"),
    [(None, "{dir}/reports/m"), ("../out", "{parent}/out/m"), ("/out", "/out/m")],
)
def test_reports_lie_beside_the_yaml_in_the_monitors_own_directory(
    reports: str | None, directory: str, tmp_path: Path
) -> None:
    found = load_monitor(write(tmp_path / "m.yaml", merged({"reports": reports})))
    assert found.directory == Path(directory.format(dir=tmp_path, parent=tmp_path.parent))


def test_the_directory_of_the_yaml_may_hold_braces(tmp_path: Path) -> None:
    directory = tmp_path / "{team}"
    directory.mkdir()
    found = load_monitor(write(directory / "m.yaml", merged({"data": {"path": "{date}.parquet"}})))
    path = found.batch_path(found.interval(date(2026, 11, 20)))
    assert path == str(directory / "2026-11-20.parquet")


@pytest.mark.parametrize(
    ("path", "filled"),
    [
        ("x.parquet", "/x.parquet"),
        ("{date}/*.parquet", "/2026-11-20/*.parquet"),
        ("{start:%Y/%m/%d}/part-{start:%H}.parquet", "/2026/11/20/part-06.parquet"),
    ],
)
def test_placeholders_are_filled_with_the_intervals_start(path: str, filled: str) -> None:
    hourly = monitor(every="hour", data=DataConfig(path=f"/{path}", input="x"))
    assert hourly.batch_path(hourly.interval(datetime(2026, 11, 20, 6, 59))) == filled  # noqa: DTZ001


def test_placeholders_are_of_the_monitors_zone() -> None:
    berlin = monitor(timezone=BERLIN, data=DataConfig(path="{date} {start:%d %H}", input="x"))
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert berlin.batch_path(berlin.interval(late)) == "2026-11-21 21 00"


def test_the_name_is_the_files_where_none_is_given(tmp_path: Path) -> None:
    assert load_monitor(write(tmp_path / "a.b-c_1.yaml", SMALLEST)).name == "a.b-c_1"
    assert load_monitor(write(tmp_path / "x.yaml", SMALLEST | {"name": "mine"})).name == "mine"


# Errors

BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, "name"),
    ({"name": "../up"}, "name"),
    ({"name": ".hidden"}, "name"),
    ({"name": ""}, "name"),
    ({"detector": None}, "detector"),
    ({"detector": ""}, "detector"),
    ({"detector": 3}, "detector"),
    ({"data": "x.parquet"}, "data"),
    ({"data": {"path": None}}, "data.path"),
    ({"data": {"path": "{day}.parquet"}}, "path"),
    ({"data": {"path": "{}.parquet"}}, "path"),
    ({"data": {"path": "{date.parquet"}}, "path"),
    ({"data": {"path": "{date.days}.parquet"}}, "path"),
    ({"data": {"path": "{start[0]}.parquet"}}, "path"),
    ({"data": {"input": None}}, "data.input"),
    ({"data": {"input": 3}}, "data.input"),
    ({"data": {"input": []}}, "data.input"),
    ({"data": {"shape": "28"}}, "data.shape"),
    ({"data": {"segments": "channel"}}, "data.segments"),
    ({"data": {"labels": "y"}}, "data.labels"),
    ({"reports": ""}, "reports"),
    ({"reports": "ftp://host/reports"}, "reports"),
    ({"every": "month"}, "every"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "Europe"}, "timezone"),
    ({"timezone": ""}, "timezone"),
    ({"timezone": "../UTC"}, "timezone"),
    ({"every": "hour", "timezone": BERLIN}, "timezone"),
    ({"start_date": "soon"}, "start_date"),
    ({"schedule": 5}, "schedule"),
    ({"policy": {"harm_by": "labelled"}}, "policy.harm_by"),
    ({"policy": {"split": "labels"}}, "policy.split: is now policy.harm_by"),
    ({"policy": {"alpha": 0}}, "policy.alpha"),
    ({"policy": {"alpha": 0.5}}, "policy.alpha"),
    ({"policy": {"alpha": float("nan")}}, "policy.alpha"),
    ({"policy": {"min_effect": 1.1}}, "policy.min_effect"),
    ({"policy": {"min_effect": float("nan")}}, "policy.min_effect"),
    ({"policy": {"harm_margin": -0.01}}, "policy.harm_margin"),
    ({"policy": {"min_rows": 1}}, "policy.min_rows"),
    ({"policy": {"max_rejected": 1.5}}, "policy.max_rejected"),
    ({"policy": {"p_value": 0.05}}, "policy.p_value"),
    ({"examples": -1}, "examples"),
    ({"examples": 101}, "examples"),
    ({"batch_size": 0}, "batch_size"),
    ({"thershold": 3}, "thershold"),
    ({"trust": "Lambda"}, "trust"),
    ({"trust": ["lambda"]}, "trust.0"),
    ({"trust": ["my.layers.Scale"]}, "trust.0"),
]


EVALUATION: dict[str, Any] = {"path": "held_out/*.parquet"}
LABELLED = {"label": "label"}
BAD_FIELDS += [
    ({"data": LABELLED, "evaluation": {}}, "evaluation.path: is required"),
    ({"evaluation": EVALUATION}, "name their column in data.label"),
    *(
        ({"data": LABELLED, "evaluation": EVALUATION | changes}, named)
        for changes, named in (
            ({"limt": 5}, "evaluation.limt: there is no such field"),
            ({"limit": 1}, "evaluation.limit"),
            ({"seed": -1}, "evaluation.seed"),
            ({"attacks": "ddn"}, "evaluation.attacks"),
            ({"attacks": []}, "evaluation: name at least one attack or corruption"),
            ({"threat_models": []}, "evaluation.threat_models"),
            ({"bounds": [1, 0]}, "evaluation: bounds are [1.0, 0.0]"),
            ({"margin": 1}, "evaluation.margin"),
            ({"tolerance": 0}, "evaluation.tolerance"),
            ({"schedule": "auto"}, "evaluation.schedule: 'auto' is for batches"),
            ({"schedule": "weekly"}, "evaluation.schedule: 'weekly' is neither"),
        )
    ),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS, ids=lambda case: str(case)[:50])
def test_a_bad_field_is_named_together_with_the_file(
    fields: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "m.yaml", merged(fields))
    with pytest.raises(ConfigError) as error:
        load_monitor(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert named in message.removeprefix(f"{path}: ")


def test_an_evaluation_has_cheap_and_strong_attacks_once_a_week_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    fields = merged({"data": LABELLED, "evaluation": EVALUATION})
    found = load_monitor(write(tmp_path / "m.yaml", fields)).evaluation
    assert found is not None
    assert found.path == str(tmp_path / "held_out" / "*.parquet")
    assert (found.attacks, found.threat_models) == (["fgsm-0.1", "ddn"], ["grey-box"])
    assert found.schedule == "0 0 * * 1"
    fields["evaluation"] = EVALUATION | {"schedule": None, "limit": None}
    on_demand = load_monitor(write(tmp_path / "m.yaml", fields)).evaluation
    assert on_demand is not None
    assert (on_demand.schedule, on_demand.limit) == (None, None)


@pytest.mark.parametrize(
    "others",
    [
        {"examples": -1, "policy": {"alpha": 2, "min_rows": 0}, "data": {"shpae": [1]}},
        {"examples": -1, "timezone": "Mars/Olympus"},
        {"examples": -1, "reports": "ftp://host"},
    ],
    ids=["fields", "timezone", "reports"],
)
def test_every_bad_field_is_named_at_once(others: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_monitor(write(tmp_path / "m.yaml", merged({"batch_size": 0} | others)))
    fields = ["batch_size", *others, *others.get("policy", ()), *others.get("data", ())]
    assert [field for field in fields if field not in str(error.value)] == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "holds no fields"),
        (b"# nothing\n", "holds no fields"),
        (b"- detector\n- data\n", "holds no fields"),
        (b"just text", "holds no fields"),
        (b"detector: [unclosed", "cannot be read as YAML"),
        (b"detector: " + b"[" * 5000, "is nested too deeply to be read as YAML"),
        (b"\tdetector: x", "cannot be read as YAML"),
        (b"detector: \xff\xfe", "cannot be read as YAML"),
        (b"detector: \x00", "cannot be read as YAML"),
        (b"detector: !!python/object:os.system x", "cannot be read as YAML"),
        (b"start_date: 2026-02-30", "2026-02-30|day is out of range"),
        (b"1: x", "1: "),
    ],
)
def test_a_file_that_is_no_monitor_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as error:
        load_monitor(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["none.yaml", "none/m.yaml", "m.yaml/x.yaml", "."])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    write(tmp_path / "m.yaml", SMALLEST)
    with pytest.raises(ConfigError) as error:
        load_monitor(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
