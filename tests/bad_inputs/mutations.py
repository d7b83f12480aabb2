"""Files spoiled as disks, networks and people spoil them; a seed repeats each."""

from collections.abc import Callable

import numpy as np

Spoil = Callable[[bytearray, np.random.Generator], None]


def flip_bits(content: bytearray, rng: np.random.Generator) -> None:
    """Flip up to eight bits anywhere."""
    for place in rng.integers(0, len(content), rng.integers(1, 9)):
        content[place] ^= 1 << int(rng.integers(8))


def cut(content: bytearray, rng: np.random.Generator) -> None:
    """Leave only the beginning."""
    del content[rng.integers(0, len(content)) :]


def drop(content: bytearray, rng: np.random.Generator) -> None:
    """Leave out some bytes in the middle."""
    start = int(rng.integers(0, len(content)))
    del content[start : start + int(rng.integers(1, 64))]


def repeat(content: bytearray, rng: np.random.Generator) -> None:
    """Write some bytes twice."""
    start = int(rng.integers(0, len(content)))
    content[start:start] = content[start : start + int(rng.integers(1, 64))]


def overwrite(content: bytearray, rng: np.random.Generator) -> None:
    """Write zeros, ones or noise over a block."""
    start, size = int(rng.integers(0, len(content))), int(rng.integers(1, 600))
    block = [bytes(size), b"\xff" * size, rng.bytes(size)][rng.integers(3)]
    content[start : start + size] = block[: len(content) - start]


SPOILS: tuple[Spoil, ...] = (flip_bits, cut, drop, repeat, overwrite)


def spoiled(content: bytes, seed: int) -> bytes:
    """Return the content spoiled in one of these ways."""
    rng = np.random.default_rng(seed)
    result = bytearray(content)
    SPOILS[rng.integers(len(SPOILS))](result, rng)
    return bytes(result)
