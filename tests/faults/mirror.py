"""What is under a URL, copied to a directory and back, so that a trial can start there again."""

import hashlib
import shutil
from pathlib import Path

import obstore

from adversarial.storage.object_folder import open_bucket


def download(url: str, to: Path) -> None:
    """Replace a directory by the objects of a bucket."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    store = open_bucket(url)
    for meta in obstore.list(store).collect():
        path = to / meta["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(obstore.get(store, meta["path"]).bytes())


def upload(source: Path, url: str) -> None:
    """Make a bucket hold the files of a directory, and nothing else."""
    store = open_bucket(url)
    listed = obstore.list(store).collect()
    there = {meta["path"]: (meta["e_tag"] or "").strip('"') for meta in listed}
    files = [path for path in source.rglob("*") if path.is_file()]
    here = {path.relative_to(source).as_posix(): path for path in files}
    if gone := sorted(there.keys() - here.keys()):
        obstore.delete(store, gone)
    for name, path in here.items():
        content = path.read_bytes()
        if there.get(name) != hashlib.md5(content, usedforsecurity=False).hexdigest():
            obstore.put(store, name, content)
