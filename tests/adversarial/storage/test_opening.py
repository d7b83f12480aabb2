"""From a path or URL to a folder, and URLs where only a path will do."""

from pathlib import Path

import pytest

from adversarial.bundle.manifest import BundleError
from adversarial.bundle.write import check_replaceable
from adversarial.storage.local_folder import LocalFolder
from adversarial.storage.object_folder import ObjectFolder
from adversarial.storage.opening import is_collapsed_url, join, open_folder


def test_a_location_leads_to_the_folder_that_is_there(tmp_path: Path) -> None:
    assert open_folder(tmp_path) == open_folder(f"{tmp_path}") == LocalFolder(tmp_path)
    assert open_folder("s3://bucket/reports/") == ObjectFolder("s3://bucket/reports")
    assert join("s3://bucket/reports/", "a", "b") == "s3://bucket/reports/a/b"


@pytest.mark.parametrize("url", ["s3://bucket/detector", "gs://bucket", "az://container/a"])
def test_a_detector_is_not_made_in_a_directory_named_like_a_url(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path(url), Path(url).resolve()):
        assert is_collapsed_url(path)
        with pytest.raises(BundleError, match="is a URL, but detectors are made on disk"):
            check_replaceable(path)
    assert not is_collapsed_url(tmp_path / "a:b" / "c")
