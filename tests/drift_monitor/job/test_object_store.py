"""The job with results on an object store: the same results as on disk, and the same commands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from drift_monitor import load_monitor, read_history, read_rejected, read_report, read_scores
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
from drift_monitor.detectors.evaluation_record import read_evaluation, read_measures
from drift_monitor.job.run import publish
from drift_monitor.results.store import REPORT, Store
from tests.conftest import Invoke, MakeMonitor
from tests.faults.place import (
    AGAIN,
    DAYS,
    State,
    check_nothing_outdated,
    commit_all,
    label,
    monitor_in,
    prepare,
    run,
    score,
    state_of,
)
from tests.support.evaluations import batch_of, with_rows


def everything(place: Path) -> State:
    """Run all days, label some rows, run a day again whose batch has changed, label the rest."""
    commit_all(place)
    run(place, DAYS[1], AGAIN)
    label(place, "labels")
    check_nothing_outdated(place)
    return state_of(place)


@pytest.fixture(scope="module")
def states(
    bucket: str, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The place, and what was kept on disk and on the store, where the detector then is too."""
    place = tmp_path_factory.mktemp("place")
    prepare(place, bundle)
    on_disk = everything(place)
    detector = f"{bucket}/detector"
    rewrite_bundle(read_bundle(bundle), detector)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place.parent / "cache"))
        score(place, f"{bucket}/reports", detector)
        yield {"place": place, "disk": on_disk, "store": everything(place)}


def test_results_are_those_that_are_kept_on_disk(states: dict[str, Any]) -> None:
    disk, store = states["disk"], states["store"]
    assert disk.keys() == store.keys()
    for name in disk:
        if name.endswith(REPORT):
            mine, other = json.loads(disk[name]), json.loads(store[name])
            assert [r["config"].pop("reports")[:5] for r in (mine, other)][1] == "s3://"
            assert [r["config"].pop("detector")[:5] for r in (mine, other)][1] == "s3://"
            for report in (mine, other):
                del report["detector"]["path"], report["verdict"]["commands"]
            assert mine == other
        elif not name.endswith(".html"):  # a page names where its report is kept
            assert disk[name] == store[name], name


def test_nothing_is_written_to_the_disk(states: dict[str, Any]) -> None:
    assert not list(states["place"].rglob("s3:*"))


def test_a_publication_that_is_tried_again_finds_its_result(states: dict[str, Any]) -> None:
    monitor = monitor_in(states["place"])
    interval = monitor.interval(DAYS[1])
    staging = Store(monitor.location).staging(interval.id, AGAIN)
    assert publish(monitor, interval, staging) == Store(monitor.location).read(interval.id)


def test_results_are_read_by_their_urls(states: dict[str, Any]) -> None:
    monitor = monitor_in(states["place"])
    url = f"{monitor.location}/{DAYS[0]}"
    report = read_report(url)
    assert report == read_report(f"{url}/{REPORT}")
    assert len(read_scores(url)) == report.counts.scored
    assert list(read_scores(url, ["label"])) == ["label"]
    assert len(read_rejected(url)) == report.counts.rejected
    assert set(read_history(monitor)["interval"]) == {f"{day}" for day in DAYS}
    assert set(read_history(monitor.location)["interval"]) == {f"{day}" for day in DAYS}


def test_commands_take_results_on_a_store(
    states: dict[str, Any], invoke: Invoke, tmp_path: Path
) -> None:
    yaml = states["place"] / "animals.yaml"
    url = load_monitor(yaml).location
    code, out, _ = invoke("report", yaml)
    assert (code, out.splitlines()[-1]) == (0, f"Wrote {url}/index.html")
    code, out, _ = invoke("export", yaml, "--output", tmp_path / "history.csv")
    assert (code, (tmp_path / "history.csv").exists()) == (0, True)
    code, out, _ = invoke("rows", yaml, "--date", DAYS[0], "--limit", 3)
    assert (code, out.splitlines()[-1]) == (0, "3 of 60 rows")
    code, out, _ = invoke("compare", f"{url}/{DAYS[0]}", f"{url}/{DAYS[2]}/{REPORT}")
    assert code == 0
    code, out, _ = invoke("backfill", yaml, "--start", DAYS[0], "--end", DAYS[2])
    assert (code, out.splitlines()[0]) == (0, "Skipping 3 committed intervals (see --overwrite)")


def test_an_evaluation_is_kept_on_the_store(
    bucket: str, make_monitor: MakeMonitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monitor = with_rows(make_monitor).model_copy(update={"reports": f"{bucket}/evaluated"})
    url = evaluate_bundles(monitor, find_bundles(monitor, None))
    assert url.startswith(f"{bucket}/evaluated/animals/evaluations/")
    assert read_evaluation(url).data == batch_of(monitor).files()
    assert list(read_measures(url)) == ["current"]
    assert not list((tmp_path / "cache").rglob("*.npz"))
    monkeypatch.setattr(
        "drift_monitor.detectors.evaluate.read_rows", lambda *_: pytest.fail("evaluated again")
    )
    assert evaluate_bundles(monitor, find_bundles(monitor, None)) == url
