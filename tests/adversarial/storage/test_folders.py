"""A folder does the same on disk and on an object store."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from adversarial import files
from adversarial.errors import TransientError
from adversarial.storage import object_folder
from adversarial.storage.folder import ChangedError, Folder, Seen, writing
from adversarial.storage.opening import open_folder

_numbers = count()


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "disk":
        return open_folder(tmp_path / "folder")
    return open_folder(f"{request.getfixturevalue('bucket')}/folder{next(_numbers)}")


def test_what_is_written_is_read(folder: Folder) -> None:
    folder.write("one/a b.txt", b"content")
    with writing(folder, "two") as path:
        path.write_bytes(b"more")
    with folder.scratch("three") as path:
        path.write_bytes(b"most")
        folder.put(path, "three-1")
    assert folder.read("one/a b.txt") == (folder / "one").read("a b.txt") == b"content"
    assert folder.read("two", 3) == b"mor"
    assert folder.read("two", 99) == b"more"
    assert folder.exists("three-1")
    assert not folder.exists("three")
    with folder.open("three-1") as file:
        assert file.read() == b"most"


def test_an_empty_file_is_read(folder: Folder) -> None:
    folder.write("a", b"")
    assert folder.read("a") == folder.read("a", 10) == b""
    assert folder.look("a").content == b""


def test_what_is_not_there_is_said_to_be_so(folder: Folder) -> None:
    for read in (folder.read, folder.open, lambda name: folder.read(name, 5)):
        with pytest.raises(FileNotFoundError):
            read("a")
    assert folder.look("a") == Seen(None, None)
    assert folder.find("*") == folder.names() == []
    folder.remove("a")
    folder.remove_all()
    folder.remove_empty()


def test_a_file_is_replaced_only_if_it_is_what_was_seen(folder: Folder) -> None:
    nothing = folder.look("a")
    folder.replace("a", b"first", nothing)
    with pytest.raises(ChangedError, match="/a has been replaced meanwhile"):
        folder.replace("a", b"second", nothing)
    first = folder.look("a")
    folder.replace("a", b"second", first)
    with pytest.raises(ChangedError, match="/a has been replaced meanwhile"):
        folder.replace("a", b"third", first)
    assert folder.look("a").content == b"second"
    folder.remove("a")
    with pytest.raises(ChangedError):
        folder.replace("a", b"third", first)


def test_of_many_that_replace_a_file_at_once_each_adds_to_what_it_has_seen(folder: Folder) -> None:
    def add(number: int) -> None:
        while True:
            seen = folder.look("a")
            try:
                folder.replace("a", (seen.content or b"") + b"%d " % number, seen)
            except ChangedError:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    assert sorted(folder.read("a").split()) == sorted(b"%d" % number for number in range(12))


def test_files_are_found_by_a_pattern_and_unfinished_ones_are_not(folder: Folder) -> None:
    for name in ("a", "b.json", "x/b.json", "x/y/b.json", ".hidden/b.json", "x/.b.json"):
        folder.write(name, b"")
    assert folder.find("*") == ["a", "b.json"]
    assert folder.find("*/b.json") == ["x/b.json"]
    assert folder.find("x/*/*.json") == ["x/y/b.json"]
    assert folder.names() == ["a", "b.json", "x/b.json", "x/y/b.json"]
    assert (folder / "x").names() == ["b.json", "y/b.json"]


def test_files_are_taken_from_another_folder(folder: Folder) -> None:
    (folder / "from").write("a", b"new")
    (folder / "from").write("b", b"b")
    (folder / "to").write("a", b"old")
    (folder / "to").take(folder / "from")
    (folder / "to").take(folder / "nowhere")
    assert folder.find("*/*") == ["to/a", "to/b"]
    assert folder.read("to/a") == b"new"


def test_a_name_stands_for_another_file(folder: Folder) -> None:
    folder.write("data/1", b"one")
    folder.write("data/2", b"two")
    for target, content in (("data/1", b"one"), ("data/1", b"one"), ("data/2", b"two")):
        folder.link("name", target)
        assert folder.read("name") == content


def test_all_is_removed(folder: Folder) -> None:
    for name in ("in/a", "in/b/c", "inner"):
        folder.write(name, b"")
    (folder / "in").remove_all()
    assert [folder.find("*/*"), folder.find("*/*/*"), folder.find("*")] == [[], [], ["inner"]]


def test_only_what_is_old_is_swept(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "kept", ".1a2b3c4d.x/part", "other/part"):
        folder.write(name, b"")
    folder.sweep(["a", "gone"])
    folder.sweep_unfinished()
    assert folder.exists("a")
    later = time.time() + files.ABANDONED_AFTER + 60

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(later, tz)

    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(object_folder, "datetime", Later)
    folder.sweep(["a", "gone"])
    folder.sweep_unfinished()
    assert folder.find("*") == ["kept"]
    assert folder.exists("other/part")
    assert not folder.exists(".1a2b3c4d.x/part")


def test_a_store_that_does_not_answer_is_named_and_the_error_may_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    quick = {"max_retries": 1, "retry_timeout": timedelta(seconds=1)}
    monkeypatch.setattr(object_folder, "PATIENCE", quick)
    folder = open_folder("s3://nowhere/reports")
    with pytest.raises(TransientError, match=r"s3://nowhere/reports/a cannot be read .*the cred"):
        folder.read("a")
