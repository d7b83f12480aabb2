"""Locks on directories: how long they are waited for, and what is said then."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adversarial.errors import TransientError
from adversarial.locks import lock_path


def test_a_lock_that_is_held_for_too_long_is_an_error_that_names_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adversarial.locks import lock_path\n"
        "with lock_path(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(
                TransientError,
                match=f"{tmp_path.name} has been locked by process {holder.pid} \\(.*held",
            ),
            lock_path(tmp_path, patience=0.05),
        ):
            pass
        holder.stdin.close()
    with lock_path(tmp_path, patience=0.05):
        pass


def test_readers_share_a_lock_and_a_writer_waits_for_them(tmp_path: Path) -> None:
    done: list[str] = []

    def write() -> None:
        with lock_path(tmp_path):
            done.append("written")

    writer = threading.Thread(target=write)
    with lock_path(tmp_path, shared=True), lock_path(tmp_path, shared=True, patience=0):
        writer.start()
        writer.join(0.1)
        assert not done
    writer.join(5)
    assert done == ["written"]


def test_a_directory_that_is_replaced_meanwhile_is_locked_in_its_new_place(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    held: list[int] = []

    def wait() -> None:
        with lock_path(tmp_path / "one"), os.scandir(tmp_path):
            held.append((tmp_path / "one").stat().st_ino)

    waiter = threading.Thread(target=wait)
    with lock_path(tmp_path / "one"):
        waiter.start()
        (tmp_path / "one").rename(tmp_path / "old")
        (tmp_path / "two").rename(tmp_path / "one")
    waiter.join(5)
    assert held == [(tmp_path / "one").stat().st_ino]
