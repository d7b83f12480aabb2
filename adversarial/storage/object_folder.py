"""A folder on an object store: every write is one request, and is conditional where it must be."""

import fnmatch
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url

from adversarial import files
from adversarial.errors import TransientError
from adversarial.storage.folder import ChangedError, Folder, Seen

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode
    from obstore.store import ObjectStore

T = TypeVar("T")

PATIENCE: Any = {
    "max_retries": 8,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
"""How often and for how long a request is repeated that fails for reasons that may pass."""


@dataclass(frozen=True)
class ObjectFolder:
    """The objects under a URL. The methods are those of `Folder`.

    Attributes
    ----------
    url : str
        Such as `s3://bucket/reports`. Where the store is and who may use it come from the usual
        environment variables of its provider (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "ObjectFolder":
        return ObjectFolder(f"{self.url}/{name}")

    def make(self) -> None:
        """Do nothing: an object store has no folders."""

    def read(self, name: str, most: int = -1) -> bytes:
        """Return the content of an object, or its first `most` bytes."""
        content = self._ask("read", name, lambda s, p: _read(s, p, most))
        return bytes(content)

    def look(self, name: str) -> Seen:
        """Return what an object is now."""
        try:
            result = self._ask("read", name, obstore.get)
        except FileNotFoundError:
            return Seen(None, None)
        content = self._ask("read", name, lambda *_: result.bytes())
        return Seen(bytes(content), result.meta["e_tag"])

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        try:
            self._ask("read", name, obstore.head)
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str) -> pa.NativeFile:
        """Fetch an object, and open it."""
        return pa.BufferReader(self.read(name))

    def write(self, name: str, content: bytes) -> None:
        """Write an object in one step."""
        self._ask("written", name, lambda s, p: obstore.put(s, p, content))

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a local path for what is to be `put` under a name that is not known yet."""
        with tempfile.TemporaryDirectory(prefix="drift-monitor-") as directory:
            yield Path(directory, PurePosixPath(name).name)

    def put(self, scratch: Path, name: str) -> None:
        """Upload a local file, which is then seen whole or not at all."""
        self._ask("written", name, lambda s, p: obstore.put(s, p, scratch))

    def replace(self, name: str, content: bytes, seen: Seen) -> None:
        """Write an object only if it is still what it was when it was `seen`."""
        mode: PutMode = "create" if seen.version is None else {"e_tag": seen.version}
        try:
            self._ask(
                "written",
                name,
                lambda s, p: obstore.put(s, p, content, mode=mode, use_multipart=False),
            )
        except (AlreadyExistsError, PreconditionError):
            raise ChangedError(
                f"{self.url}/{name} has been replaced meanwhile: run the command again"
            ) from None

    def take(self, source: Folder) -> None:
        """Move the objects of another folder of the same bucket here."""
        if not isinstance(source, ObjectFolder):
            return
        for name in source.find("*"):
            self._move(_path(f"{source.url}/{name}"), name)

    def link(self, name: str, target: str) -> None:
        """Copy an object; the store does so by itself."""
        old = _path(f"{self.url}/{target}")
        self._ask("written", name, lambda s, p: obstore.copy(s, old, p))

    def find(self, pattern: str) -> list[str]:
        """Return the names of the objects that match a pattern, in order."""
        wanted = pattern.split("/")

        def matches(parts: list[str]) -> bool:
            return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))

        return [name for name in self.names() if matches(name.split("/"))]

    def names(self) -> list[str]:
        """Return the names of all objects, in order."""
        found = self._list()
        return sorted(n for n in found if not any(p.startswith(".") for p in n.split("/")))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with suppress(FileNotFoundError):
            self._ask("removed", name, obstore.delete)

    def remove_all(self) -> None:
        """Remove all objects."""
        names = [_path(f"{self.url}/{name}") for name in self._list()]
        if names:
            self._ask("removed", "", lambda s, _: obstore.delete(s, names))

    def remove_empty(self) -> None:
        """Do nothing: an object store has no folders."""

    def sweep(self, names: Collection[str]) -> None:
        """Remove those of these objects that are too old for a writer to need them."""
        found = self._list() if names else {}
        for name in names:
            if name in found and _is_abandoned([found[name]]):
                self.remove(name)

    def sweep_unfinished(self, names: re.Pattern[str] = files.SCRATCH) -> None:
        """Remove the folders of these names in which nothing has changed for long."""
        unfinished: dict[str, list[ObjectMeta]] = {}
        for name, meta in self._list().items():
            folder, _, rest = name.partition("/")
            if rest and names.fullmatch(folder):
                unfinished.setdefault(folder, []).append(meta)
        for folder, metas in unfinished.items():
            if _is_abandoned(metas):
                (self / folder).remove_all()

    def lock(self) -> AbstractContextManager[None]:
        """Lock nothing: conditional writes decide."""
        return nullcontext()

    def _move(self, old: str, name: str) -> None:
        self._ask("written", name, lambda s, p: obstore.rename(s, old, p))

    def _list(self) -> "dict[str, ObjectMeta]":
        prefix = _path(self.url)
        listed = self._ask("listed", "", lambda s, _: obstore.list(s, prefix).collect())
        return {meta["path"].removeprefix(f"{prefix}/"): meta for meta in listed}

    def _ask(self, what: str, name: str, request: "Callable[[ObjectStore, str], T]") -> T:
        """Make a request; say what could not be done, and to which object.

        Raises
        ------
        FileNotFoundError
            If there is no such object.
        TransientError
            If the store cannot be reached, refuses, or fails, also after repetitions.
        """
        url = f"{self.url}/{name}" if name else self.url
        try:
            return request(_store(self.url), _path(url))
        except (AlreadyExistsError, PreconditionError):
            raise
        except BaseError as error:
            reason = str(error).split("\n", 1)[0]
            raise TransientError(
                f"{url} cannot be {what} ({reason}): check the address, the credentials in the "
                "environment, and that the storage answers; then run the command again"
            ) from None


def _store(url: str) -> "ObjectStore":
    parts = urlsplit(url)
    return open_bucket(f"{parts.scheme}://{parts.netloc}")


@cache
def open_bucket(url: str) -> "ObjectStore":
    """Return the store that `s3://bucket` leads to, as the environment says at the first time."""
    return from_url(url, retry_config=PATIENCE)


def _path(url: str) -> str:
    return urlsplit(url).path.strip("/")


def _read(store: "ObjectStore", path: str, most: int) -> bytes:
    if most < 0 or obstore.head(store, path)["size"] == 0:
        return bytes(obstore.get(store, path).bytes())
    return bytes(obstore.get_range(store, path, start=0, end=most))


def _is_abandoned(metas: "Collection[ObjectMeta]") -> bool:
    latest = max(meta["last_modified"] for meta in metas)
    return (datetime.now(UTC) - latest).total_seconds() > files.ABANDONED_AFTER
