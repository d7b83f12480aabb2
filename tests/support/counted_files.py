"""A storage in memory that counts the bytes that are fetched from it."""

from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile


class CountedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file that is fetched range by range, as from an object store."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.store[self.path].getvalue()[start:end]
        type(self.fs).fetched += len(content)
        return content


class CountedFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """`counted://`: what is in memory, of which `fetched` bytes have been read."""

    protocol = "counted"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fetched = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("counted://", "memory://"))
        return stripped

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            return super()._open(path, mode, **options)
        return CountedFile(self, path, mode, size=self.info(path)["size"], **options)

    def cat_file(self, path: str, *place: Any, **options: Any) -> bytes:
        content: bytes = super().cat_file(path, *place, **options)
        type(self).fetched += len(content)
        return content


fsspec.register_implementation("counted", CountedFileSystem, clobber=True)
