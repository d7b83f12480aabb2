"""How much of this machine's memory may be taken."""

import os
from pathlib import Path

CONTROL_GROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's limit is told, by version of control groups."""
SHARE = 4
"""A batch, or a model, takes up to one part in so many of the machine's memory, by default."""


def default_limit() -> int:
    """Return the bytes that a batch, or a model, may take by default: a quarter of all memory.

    In a container with a limit of its own, a quarter of that.
    """
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in CONTROL_GROUP_LIMITS:
        try:
            sizes.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(sizes) // SHARE
