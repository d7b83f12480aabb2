"""The store: an interval is committed whole, or not at all."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adversarial.files import ABANDONED_AFTER, digest, write_text
from adversarial.storage.folder import ChangedError, Seen
from adversarial.storage.local_folder import LocalFolder
from drift_monitor.errors import StoreError
from drift_monitor.results.report import Files
from drift_monitor.results.store import PAGE, REJECTED, REPORT, RUN, SCORES, Store, put_data
from tests.support.reports.cases import SMALL
from tests.support.reports.make import make

DAY = "2026-11-20"
DERIVED = (SCORES, REJECTED, RUN, PAGE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "reports" / "animals")


def root(store: Store) -> Path:
    assert isinstance(store.folder, LocalFolder)
    return store.folder.path


def staged(store: Store, interval: str = DAY, content: str = "new") -> LocalFolder:
    """A staging folder whose report and files all say `content`."""
    staging = store.start(interval, content)
    scores, rejected = (
        put_data(staging, name, lambda path: write_text(path, content))
        for name in (SCORES, REJECTED)
    )
    files = Files(scores=scores, rejected=rejected, labels=[])
    fields = {"files": files, "interval": interval, "monitor": content}
    report = make(SMALL)[0].model_copy(update=fields)
    staging.write(REPORT, report.to_json().encode())
    staging.write(RUN, content.encode())
    staging.write(PAGE, content.encode())
    assert isinstance(staging, LocalFolder)
    return staging


def publish(store: Store, interval: str = DAY, content: str = "new") -> Path:
    store.publish(staged(store, interval, content), interval, store.look(interval))
    return root(store) / interval


def test_publishing_puts_every_file_in_place_and_leaves_no_staging_folder(store: Store) -> None:
    staging = staged(store)
    assert not store.is_committed(DAY)
    store.publish(staging, DAY, store.look(DAY))
    target = root(store) / DAY
    assert {(target / name).read_text() for name in DERIVED} == {"new"}
    assert store.read(DAY).monitor == "new"
    assert store.is_committed(DAY)
    assert [path.name for path in root(store).iterdir()] == [DAY]


def test_the_report_names_its_files_with_the_sha256_of_their_content(store: Store) -> None:
    target = publish(store)
    files = store.read(DAY).files
    assert files is not None
    for file in (files.scores, files.rejected):
        assert digest((target / file.path).read_bytes()) == file.sha256
        assert file.sha256[:16] in file.path


def test_publishing_again_replaces_what_is_seen_and_no_file_of_the_earlier_result(
    store: Store,
) -> None:
    target = publish(store, content="old")
    old = store.read(DAY).files
    assert old is not None
    publish(store, content="new")
    assert {(target / name).read_text() for name in DERIVED} == {"new"}
    # A reader may have read the earlier report a moment ago.
    assert (target / old.scores.path).read_text() == "old"


def test_files_of_earlier_results_are_removed_when_no_writer_can_need_them(store: Store) -> None:
    target = publish(store, content="old")
    publish(store, content="new")
    long_ago = time.time() - ABANDONED_AFTER - 60
    for path in (target / "data").iterdir():
        os.utime(path, (long_ago, long_ago))
    publish(store, content="newest")
    assert {path.read_text() for path in (target / "data").iterdir()} == {"newest"}


@pytest.mark.parametrize("before", [False, True], ids=["first-run", "re-run"])
def test_what_another_process_has_committed_meanwhile_is_not_replaced(
    before: bool, store: Store
) -> None:
    if before:
        publish(store, content="old")
    seen = store.look(DAY)
    publish(store, content="theirs")
    staging = staged(store, content="mine")
    with pytest.raises(ChangedError, match=r"2026-11-20/report\.json has been replaced meanwhile"):
        store.publish(staging, DAY, seen)
    assert store.read(DAY).monitor == "theirs"
    store.publish(staging, DAY, store.look(DAY))
    assert store.read(DAY).monitor == "mine"


def test_a_committed_interval_is_never_absent_while_it_is_published_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = publish(store, content="old")
    replace = Path.replace
    moves = []

    def watched(self: Path, to: Path) -> Path:
        report = store.read(DAY)
        assert report.files is not None
        for file in (report.files.scores, report.files.rejected):
            assert (target / file.path).read_text() == report.monitor
        moves.append(report.monitor)
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", watched)
    publish(store, content="new")
    assert set(moves) == {"old", "new"}


def test_an_interval_is_not_committed_without_the_files_that_its_report_names(
    store: Store,
) -> None:
    staging = staged(store)
    (staging / "data").remove_all()
    with pytest.raises(StoreError, match=r"data/scores-\w+\.parquet is missing: score 2026-11-20"):
        store.publish(staging, DAY, store.look(DAY))
    assert not store.is_committed(DAY)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b'{"schema_version": "3", "mon'])
def test_a_report_that_is_cut_short_is_no_result_and_is_replaced(
    content: bytes, store: Store
) -> None:
    target = publish(store)
    (target / REPORT).write_bytes(content)
    assert not store.is_committed(DAY)
    assert store.committed() == [DAY]
    with pytest.raises(StoreError, match=rf"{DAY}/report\.json is empty or cut short, so {DAY}"):
        store.read(DAY)
    publish(store)
    assert store.is_committed(DAY)


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
        publish(store, interval)
    assert store.committed() == intervals


def test_only_directories_with_a_report_are_committed(store: Store) -> None:
    assert store.committed() == []
    staged(store, "2026-11-18")
    publish(store, "2026-11-19")
    place = root(store)
    (place / "2026-11-21").mkdir()
    (place / "2026-11-21" / SCORES).write_text("")
    (place / "index.html").write_text("")
    for name in ("2026-11-19.bak", "old-2026-11-19", "copy"):
        shutil.copytree(place / "2026-11-19", place / name)
    assert store.committed() == ["2026-11-19"]
    assert not store.is_committed("2026-11-18")
    assert not store.is_committed("2026-11-21")


def test_the_same_token_gives_the_same_staging_folder(store: Store) -> None:
    store.start(DAY, "run-1").write(SCORES, b"kept")
    assert store.start(DAY, "run-1").read(SCORES) == b"kept"
    folders = {store.staging(DAY, "run-1"), store.staging(DAY, "run-2")}
    assert len(folders | {store.staging("2026-11-21", "run-1")}) == 3


def test_discarding_leaves_nothing_of_a_first_run(store: Store) -> None:
    store.discard(staged(store))
    assert not root(store).exists()


def test_discarding_touches_neither_results_nor_other_runs(store: Store) -> None:
    publish(store)
    other = staged(store, content="other")
    discarded = staged(store, content="discarded")
    store.discard(discarded)
    store.discard(discarded)
    assert not discarded.exists(REPORT)
    assert other.exists(REPORT)
    assert store.committed() == [DAY]


def test_runs_that_publish_at_once_are_never_mixed(store: Store) -> None:
    def attempt(content: str) -> str | None:
        try:
            publish(store, content=content)
        except ChangedError:
            return None
        return content

    for turn in range(30):
        with ThreadPoolExecutor(2) as pool:
            done = set(pool.map(attempt, [f"a{turn}", f"b{turn}"]))
        report = store.read(DAY)
        assert report.monitor in done
        assert report.files is not None
        target = root(store) / DAY
        assert (target / report.files.scores.path).read_text() == report.monitor


def test_late_labels_are_numbered_in_the_order_in_which_they_are_given(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: store.add_labels(DAY, f"{i}".encode()), range(12)))
    names = store.labels(DAY)
    assert names == [f"labels/{i:04}.parquet" for i in range(1, 13)]
    folder = store.folder / DAY
    assert {int(folder.read(name)) for name in names} == set(range(12))
    assert store.all_labels() == {DAY: names}


def test_a_file_is_only_made_where_there_is_none(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.replace("a", b"first", Seen(None, None))
    with pytest.raises(ChangedError):
        folder.replace("a", b"second", Seen(None, None))
    assert folder.read("a") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_is_a_copy_where_the_file_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    folder = LocalFolder(tmp_path)
    folder.write("data/one", b"one")
    folder.write("data/two", b"two")
    folder.link("name", "data/one")
    assert (tmp_path / "name").is_symlink()
    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder.link("name", "data/two")
    assert not (tmp_path / "name").is_symlink()
    assert folder.read("name") == b"two"


def test_staging_folders_of_killed_runs_are_swept_and_those_of_running_ones_kept(
    store: Store,
) -> None:
    abandoned, running = staged(store, content="abandoned"), staged(store, content="running")
    long_ago = time.time() - ABANDONED_AFTER - 60
    os.utime(abandoned.path, (long_ago, long_ago))
    publish(store)
    assert not abandoned.path.exists()
    assert running.path.exists()
