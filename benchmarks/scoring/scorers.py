"""The detectors of one method, with the same weights and the same images, ready to score."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import adversarial
from adversarial.bundle.read import read_bundle
from benchmarks.images import DIRECTORY
from benchmarks.peers import alibi_detect_python
from benchmarks.workers import Worker

Choice = tuple[str, str]
"""Runtime and precision."""


@contextmanager
def scorers(
    detector: Path, images: Path, choices: Sequence[Choice]
) -> Iterator[tuple[list[Worker], Worker]]:
    """Start this project's workers and alibi-detect's, in this order, and end them.

    Parameters
    ----------
    detector : Path
        Directory of the bundle.
    images : Path
        .npy file of the images, (n, *input_shape) float32.
    choices : sequence of (str, str)
        What this project's workers score with.
    """
    peer_python = alibi_detect_python()
    inputs = [str(detector), str(images)]
    ours = [sys.executable, "-m", "benchmarks.scoring.ours", *inputs]
    peer = [str(peer_python), "-m", "benchmarks.scoring.alibi_detect", *inputs]
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker([*ours, *choice])) for choice in choices]
        yield workers, stack.enter_context(Worker(peer))


def with_graph(detector: Path) -> Path:
    """Return a bundle that has a scoring graph: the given one, or a copy with a graph."""
    if read_bundle(detector).scoring_graph() is not None:
        return detector
    copy = DIRECTORY / f"{detector.parent.name}-{detector.name}"
    # Imported with TensorFlow, and only here, by the package itself.
    adversarial.AdversarialDetector.load(detector).save(copy)
    return copy
