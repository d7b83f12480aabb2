"""What is worked on here and kept on a store: continued, delivered and read."""

from contextlib import suppress
from pathlib import Path

import pytest

from adversarial.storage.copies import collect, deliver, local_copy, replace_at, work_directory
from adversarial.storage.object_folder import ObjectFolder
from adversarial.storage.opening import open_folder


@pytest.fixture
def url(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"{bucket}/{tmp_path.name}/run"


def test_on_disk_work_is_done_in_its_place(tmp_path: Path) -> None:
    assert work_directory(tmp_path) == collect(str(tmp_path)) == tmp_path
    (tmp_path / "a").write_text("a")
    deliver(tmp_path, tmp_path, last="a")
    assert (tmp_path / "a").exists()
    with local_copy(str(tmp_path)) as directory:
        assert directory == tmp_path


def test_what_is_made_for_a_store_is_put_there_the_last_file_at_the_end(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = collect(url)
    for name in ("z", "finished", "in/a"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(name)
    put: list[str] = []
    real = ObjectFolder.put

    def note(folder: ObjectFolder, path: Path, name: str) -> None:
        put.append(name)
        real(folder, path, name)

    monkeypatch.setattr(ObjectFolder, "put", note)
    assert collect(url) == directory  # interrupted work goes on
    deliver(directory, url, last="finished")
    assert put == ["in/a", "z", "finished"]
    assert not directory.exists()
    assert open_folder(url).names() == ["finished", "in/a", "z"]
    assert (collect(url) / "in" / "a").read_text() == "in/a"


def test_a_copy_is_read_under_a_path_that_ends_like_the_url(url: str) -> None:
    for name in ("a", "in/b"):
        open_folder(url).write(name, b"content")
    with local_copy(url) as directory:
        assert directory.parts[-2:] == (url.split("/")[-2], "run")
        assert [path.name for path in directory.iterdir()] == ["a"]
    assert not directory.exists()


def test_a_file_is_written_at_a_path_or_a_url_and_not_if_writing_fails(
    url: str, tmp_path: Path
) -> None:
    for location in (str(tmp_path / "a.csv"), f"{url}/a.csv"):
        folder = open_folder(location.rpartition("/")[0])
        with suppress(KeyboardInterrupt), replace_at(location) as scratch:
            scratch.write_text("half")
            raise KeyboardInterrupt
        assert not folder.exists("a.csv")
        with replace_at(location) as scratch:
            assert scratch.suffix == ".csv"
            scratch.write_text("whole")
        assert folder.read("a.csv") == b"whole"
