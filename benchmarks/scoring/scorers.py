"""The two detectors of one method, with the same weights and the same images, ready to score."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import alibi_detect_python
from benchmarks.workers import Worker


@contextmanager
def scorers(detector: Path, images: Path) -> Iterator[tuple[Worker, Worker]]:
    """Start this project's worker and alibi-detect's, in this order, and end them.

    Parameters
    ----------
    detector : Path
        Directory of the bundle.
    images : Path
        .npy file of the images, (n, 28, 28, 1) float32.
    """
    peer_python = alibi_detect_python()
    inputs = [str(detector), str(images)]
    with (
        Worker([sys.executable, "-m", "benchmarks.scoring.ours", *inputs]) as ours,
        Worker([str(peer_python), "-m", "benchmarks.scoring.alibi_detect", *inputs]) as peer,
    ):
        yield ours, peer
