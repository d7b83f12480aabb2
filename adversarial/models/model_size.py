"""How much memory a saved model needs, by what its file says, before any of it is taken."""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from adversarial.errors import ModelError
from adversarial.memory import default_limit

CONFIG_BYTES = 64 << 20
"""Most bytes of a description of layers; of the largest of Keras's own models it is 1 MB."""
LARGE = 1 << 16
"""Sizes from which on a layer's declared size must be one of its stored weights'."""
DECLARED = ("units", "filters", "input_dim", "output_dim")
"""Fields of a layer's configuration that are sizes of its weights."""
SHAPES = ("batch_shape", "batch_input_shape")
VALUE_BYTES = 4

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"


def check_size(path: Path, limit: int | None = None) -> None:
    """Refuse a `.keras` or `.h5` file whose model takes too much memory.

    Building a model takes memory for what its configuration declares, whatever the file holds.

    Parameters
    ----------
    path : Path
        The file.
    limit : int, optional
        Bytes that its weights may take; `adversarial.memory.default_limit` by default.

    Raises
    ------
    ModelError
        If its weights take more, a layer is larger than any weight that is stored, or one row of
        its input takes more than the limit. Of a file that is no model, whoever loads it says so.
    """
    limit = limit or default_limit()
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                _check_archive(path, archive, limit)
        else:
            with path.open("rb") as file:
                _check_weights(path, file, None, limit)
    except ModelError:
        raise
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile):
        return


def _check_archive(path: Path, archive: zipfile.ZipFile, limit: int) -> None:
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    if (whole := sum(sizes.values())) > limit:
        raise _too_large(path, f"its parts take {whole:,} bytes", limit)
    if sizes.get(CONFIG, 0) > CONFIG_BYTES:
        raise _too_large(path, f"{CONFIG} takes {sizes[CONFIG]:,} bytes", CONFIG_BYTES)
    config = json.loads(archive.read(CONFIG))
    with archive.open(WEIGHTS) as file:
        _check_weights(path, file, config, limit)


def _check_weights(path: Path, file: IO[bytes], config: Any, limit: int) -> None:
    import h5py

    shapes: list[tuple[int, ...]] = []
    taken = 0

    def count(_: str, item: Any) -> None:
        nonlocal taken
        if isinstance(item, h5py.Dataset):
            shapes.append(item.shape or ())
            taken += math.prod(item.shape or ()) * item.dtype.itemsize

    with h5py.File(file, "r") as stored:
        stored.visititems(count)
        text = None if config is not None else stored.attrs["model_config"]
    if taken > limit:
        raise _too_large(path, f"its weights take {taken:,} bytes", limit)
    known = {size for shape in shapes for size in shape}
    for name, value in _sizes(json.loads(text) if text is not None else config):
        if isinstance(value, list):
            row = math.prod(size for size in value if isinstance(size, int)) * VALUE_BYTES
            if row > limit:
                raise _too_large(path, f"a row of its input takes {row:,} bytes", limit)
        elif value >= LARGE and value not in known:
            raise ModelError(
                f"{path}: a layer has {name} {value:,}, but no weight of that size is stored: it "
                "is damaged, or made to exhaust memory; save the model again"
            )


def _sizes(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the sizes that layers declare in a configuration, with the names of their fields."""
    if isinstance(node, list):
        for item in node:
            yield from _sizes(item)
    if isinstance(node, dict):
        for name, value in node.items():
            if (name in DECLARED and isinstance(value, int)) or (
                name in SHAPES and isinstance(value, list)
            ):
                yield name, value
            else:
                yield from _sizes(value)


def _too_large(path: Path, what: str, limit: int) -> ModelError:
    return ModelError(
        f"{path}: {what}, more than the {limit:,} that a model may take on this machine: use a "
        "machine with more memory"
    )
