"""What the workers of `training.speed` are given, on their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.workers import serve


class Task(NamedTuple):
    """One epoch of one autoencoder."""

    classifier: Path
    """The classifier, a `.keras` file."""
    autoencoder: Path
    """The autoencoder before training, a `.keras` file."""
    x: NDArray[np.float32]
    """Training images, (n, 28, 28, 1)."""
    held_out: NDArray[np.float32]
    """Images that the trained autoencoder is scored on, (m, 28, 28, 1)."""
    batch_size: int
    precision: Literal["auto", "float32", "bfloat16"]
    """Of this project's passes; the peer has no choice."""

    @classmethod
    def from_command_line(cls, description: str | None) -> Task:
        """Read the files that the command line names."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("classifier", type=Path)
        parser.add_argument("autoencoder", type=Path)
        parser.add_argument("images", type=Path, help=".npy file of the training images, float32")
        parser.add_argument("held_out", type=Path, help=".npy file of the held-out images, float32")
        parser.add_argument("batch_size", type=int)
        parser.add_argument("precision", choices=["auto", "float32", "bfloat16"])
        arguments = parser.parse_args()
        return cls(
            arguments.classifier,
            arguments.autoencoder,
            np.load(arguments.images),
            np.load(arguments.held_out),
            arguments.batch_size,
            arguments.precision,
        )


class Trainer(Protocol):
    """Trains one epoch whenever told to."""

    def about(self) -> dict[str, Any]:
        """Say what trains."""

    def reset(self) -> None:
        """Go back to the weights before training."""

    def train(self) -> str:
        """Train one epoch and return the precision it ran in."""

    def divergence(self) -> float:
        """Return the mean D_KL(M(x) ‖ M(AE(x))) of the held-out images, in nats."""


def serve_trainer(trainer: Trainer, **more: Callable[[], Any]) -> None:
    """Let `training.speed` call the trainer's methods by name, and `more`."""
    names = ("about", "reset", "train", "divergence")
    serve({name: getattr(trainer, name) for name in names} | more)
