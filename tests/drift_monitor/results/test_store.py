"""The store: an interval is committed whole, or not at all."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drift_monitor.results.store import PAGE, REJECTED, REPORT, RUN, SCORES, Store

FILES = (SCORES, REJECTED, REPORT, PAGE, RUN)
DAY = "2026-11-20"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "reports" / "animals")


def staged(store: Store, interval: str = DAY, content: str = "new") -> Path:
    staging = store.staging(interval, content)
    for name in FILES:
        (staging / name).write_text(f"{name} {content}")
    return staging


def test_publishing_moves_every_file_and_leaves_no_staging_directory(store: Store) -> None:
    staging = staged(store)
    assert not store.is_committed(DAY)
    target = store.publish(staging, DAY)
    assert target == store.directory / DAY
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        name: f"{name} new" for name in FILES
    }
    assert store.is_committed(DAY)
    assert [path.name for path in store.directory.iterdir()] == [DAY]


def test_publishing_again_replaces_every_file(store: Store) -> None:
    store.publish(staged(store, content="old"), DAY)
    target = store.publish(staged(store, content="new"), DAY)
    assert {path.read_text() for path in target.iterdir()} == {f"{name} new" for name in FILES}


@pytest.mark.parametrize("name", [name for name in FILES if name != REPORT])
@pytest.mark.parametrize("before", [False, True], ids=["first-run", "re-run"])
def test_an_interval_is_not_committed_where_a_file_could_not_be_moved(
    name: str, before: bool, store: Store
) -> None:
    target = store.directory / DAY
    if before:
        store.publish(staged(store, content="old"), DAY)
        (target / name).unlink()
    # A directory that is in the way cannot be replaced by a file.
    (target / name / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=name):
        store.publish(staged(store), DAY)
    assert not store.is_committed(DAY)
    assert store.committed() == []


def test_no_file_of_another_run_is_ever_seen_under_a_report(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = store.publish(staged(store, content="old"), DAY)
    replace = Path.replace
    moved: list[str] = []

    def watched(self: Path, to: Path) -> Path:
        assert not store.is_committed(DAY)
        moved.append(Path(to).name)
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", watched)
    store.publish(staged(store, content="new"), DAY)
    assert sorted(moved) == sorted(FILES)
    assert moved[-1] == REPORT
    assert (target / REPORT).read_text() == f"{REPORT} new"


@pytest.mark.parametrize(
    "intervals",
    [
        ["2026-11-20", "2026-11-21", "2026-12-01", "2027-01-01"],
        ["2026-11-20T00", "2026-11-20T09", "2026-11-20T10", "2026-11-21T00"],
    ],
    ids=["days", "hours"],
)
def test_committed_intervals_come_in_the_order_of_time(intervals: list[str], store: Store) -> None:
    for interval in [*intervals[2:], *intervals[:2]]:
        store.publish(staged(store, interval), interval)
    assert store.committed() == intervals


def test_only_directories_with_a_report_are_committed(store: Store) -> None:
    assert store.committed() == []
    staged(store, "2026-11-18")
    store.publish(staged(store, "2026-11-19"), "2026-11-19")
    (store.directory / "2026-11-21").mkdir()
    (store.directory / "2026-11-21" / SCORES).write_text("")
    (store.directory / "index.html").write_text("")
    for name in ("2026-11-19.bak", "old-2026-11-19", "copy"):
        shutil.copytree(store.directory / "2026-11-19", store.directory / name)
    assert store.committed() == ["2026-11-19"]
    assert not store.is_committed("2026-11-18")
    assert not store.is_committed("2026-11-21")


def test_the_same_token_gives_the_same_staging_directory(store: Store) -> None:
    first = store.staging(DAY, "run-1")
    (first / SCORES).write_text("kept")
    assert (store.staging(DAY, "run-1") / SCORES).read_text() == "kept"
    others = {store.staging(DAY, "run-2"), store.staging("2026-11-21", "run-1")}
    assert len(others | {first}) == 3


def test_discarding_leaves_nothing_of_a_first_run(store: Store) -> None:
    store.discard(staged(store))
    assert not store.directory.exists()


def test_discarding_touches_neither_results_nor_other_runs(store: Store) -> None:
    store.publish(staged(store), DAY)
    other = staged(store, content="other")
    discarded = staged(store, content="discarded")
    store.discard(discarded)
    store.discard(discarded)
    assert not discarded.exists()
    assert (other / SCORES).exists()
    assert store.committed() == [DAY]


def test_a_derived_file_is_replaced_in_one_step(store: Store) -> None:
    store.directory.mkdir(parents=True)
    page = store.directory / "index.html"
    page.write_text("old")
    with page.open() as reader:
        store.write(page, "größer")
        assert reader.read() == "old"
    assert page.read_text(encoding="utf-8") == "größer"
    assert [path.name for path in store.directory.iterdir()] == ["index.html"]


def test_runs_that_publish_at_once_are_never_mixed(store: Store) -> None:
    for turn in range(30):
        stagings = [staged(store, content=f"{name}{turn}") for name in "ab"]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda staging: store.publish(staging, DAY), stagings))
        contents = {(store.directory / DAY / n).read_text().removeprefix(n) for n in FILES}
        assert len(contents) == 1


def test_staging_directories_of_killed_runs_are_swept_and_those_of_running_ones_kept(
    store: Store,
) -> None:
    abandoned, running = staged(store, content="abandoned"), staged(store, content="running")
    long_ago = time.time() - 7 * 24 * 3600
    os.utime(abandoned, (long_ago, long_ago))
    store.publish(staged(store), DAY)
    assert not abandoned.exists()
    assert running.exists()
