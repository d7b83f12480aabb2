"""Files written whole or not at all, and what killed writers leave."""

import os
import time
from pathlib import Path

import pytest

from adversarial.files import (
    ABANDONED_AFTER,
    make_directory,
    replace_file,
    scratch_path,
    sweep,
    sync_tree,
    write_text,
)


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and renamed, in order; names of scratch files without their random part."""
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def name(path: Path) -> str:
        return path.name.split(".", 2)[-1] if path.name.startswith(".") else path.name

    def watched_fsync(descriptor: int) -> None:
        done.append(f"sync {name(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        fsync(descriptor)

    def watched_rename(one: Path, other: Path) -> None:
        done.append(f"rename to {name(other)}")
        rename(one, other)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_rename)
    return done


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path: Path, operations: list[str]) -> None:
    write_text(tmp_path / "a.txt", "content")
    assert operations == ["sync a.txt", "rename to a.txt", f"sync {tmp_path.name}"]


def test_a_directory_is_on_the_disk_before_anything_in_it(
    tmp_path: Path, operations: list[str]
) -> None:
    make_directory(tmp_path / "one" / "two")
    assert operations == [f"sync {tmp_path.name}", "sync one"]


def test_a_tree_is_on_the_disk_with_all_its_files(tmp_path: Path, operations: list[str]) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "b.txt").write_text("b")
    sync_tree(tmp_path)
    assert sorted(operations) == sorted([f"sync {tmp_path.name}", "sync one", "sync b.txt"])


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("earlier")

    def fail() -> None:
        with replace_file(tmp_path / "a.txt") as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


def test_what_killed_writers_have_left_is_swept_by_age(tmp_path: Path) -> None:
    old, young = scratch_path(tmp_path / "a.txt"), scratch_path(tmp_path / "a.txt")
    directory, hidden, other = scratch_path(tmp_path / "d"), tmp_path / ".hidden", tmp_path / "a"
    directory.mkdir()
    (directory / "part").write_text("half")
    for path in (old, young, hidden, other):
        path.write_text("half")
    long_ago = time.time() - ABANDONED_AFTER - 60
    for path in (old, hidden, other, directory):
        os.utime(path, (long_ago, long_ago))
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {young, hidden, other}
