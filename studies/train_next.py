"""Train the paper's models to the end, one after the other, for as long as there is time.

    python studies/train_next.py run --data-dir DIR --models MODELS [--minutes 8]
    python studies/train_next.py status --models MODELS
    python studies/train_next.py pack --data-dir DIR --output PACKED

DIR contains `cifar10` and `fashion_mnist`. What is done is kept in MODELS, and a checkpoint of what
is not after every epoch: stopped by a signal or after its minutes, the run goes on from there, also
on another machine and another of Keras's backends. So an accelerator that is there for minutes can
do its part: with KERAS_BACKEND=jax, TensorFlow need not be installed. `pack` rewrites Parquet files
to a third of their size, to be taken along. `studies/models` has ResNet-56 and the detectors that
are done; given as MODELS, the others are added to it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from runs import CIFAR, FASHION, HERE, HIDDEN, RESNET, SHORT, Models

ORDER = [
    *((CIFAR, name) for name in ("kl", "kl-t", *HIDDEN, "mse")),
    *((RESNET, name) for name in ("kl", "kl-t", "kl-hl4")),
    *((FASHION, name) for name in FASHION.detectors),
    *((RESNET, name) for name in ("mse", "kl-hl1", "kl-hl2", "kl-hl3")),
    *((CIFAR, name) for name in SHORT),
]
"""A classifier is trained with the first of its detectors."""

COMMAND = [sys.executable, "-c", "from adversarial.cli.main import main; main()"]
"""`adversarial`, which need not be installed."""
GRACE_SECONDS = 20
"""For a process to end after it was told to."""


def run(data_dir: Path, models_dir: Path, minutes: float | None) -> None:
    """Train what is not done yet, until the time is up."""
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    for models, name in ORDER:
        if (_directory(models_dir, models) / name / "detector.json").exists():
            continue
        options = ["--dataset", models.dataset, "--model", models.model, "--name", name, "--resume"]
        places = ["--data-dir", str(data_dir.resolve()), "--cache-dir", str(models_dir.resolve())]
        arguments = ["train", *options, *places, *models.shared, *models.detectors[name]]
        print("adversarial", *arguments, flush=True)
        left = None if deadline is None else deadline - time.monotonic()
        code = _call(arguments, left)
        if code is None:
            print("The time is up; the same command goes on after the last whole epoch.")
            return
        if code:
            raise SystemExit(code)


def _call(arguments: list[str], seconds: float | None) -> int | None:
    """Return the exit code of the `adversarial` command; None if it was stopped."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*COMMAND, *arguments], cwd=HERE.parent, env=environment) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def status(models_dir: Path) -> Iterator[str]:
    """Yield a line for each classifier and detector: done, or how far it is."""
    for models in (CIFAR, RESNET, FASHION):
        directory = _directory(models_dir, models)
        yield f"{directory.name}: {_of_classifier(directory)}"
        for name in models.detectors:
            yield f"{directory.name} {name}: {_of_detector(directory, name)}"


def _of_classifier(directory: Path) -> str:
    summary = directory / "classifier.json"
    if summary.exists():
        found = json.loads(summary.read_text(encoding="utf-8"))
        return f"done, {found['accuracy']:.4f} on test images"
    return _of_checkpoint(directory / "classifier.training", "val_accuracy")


def _of_detector(directory: Path, name: str) -> str:
    if (directory / name / "detector.json").exists():
        return "done"
    return _of_checkpoint(directory / f"{name}.training" / "0", "val_loss")


def _of_checkpoint(directory: Path, value: str) -> str:
    try:
        history = json.loads((directory / "state.json").read_text(encoding="utf-8"))["history"]
    except FileNotFoundError:
        return "not begun"
    epochs, seconds = len(history[value]), sum(history["seconds"])
    return f"{epochs} epochs in {seconds:,.0f} s, {value} {history[value][-1]:.4f}"


def _directory(models_dir: Path, models: Models) -> Path:
    """Return where `adversarial train --cache-dir` keeps them."""
    return models_dir / f"{models.dataset}-{models.model}"


def pack(data_dir: Path, output: Path) -> None:
    """Rewrite the Parquet files: most of a small JPEG file is its header, and these are alike."""
    for path in sorted(data_dir.glob("*/*.parquet")):
        packed = output / path.relative_to(data_dir)
        packed.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pq.read_table(path), packed, compression="zstd", use_dictionary=False)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="train what is next")
    runner.add_argument("--minutes", type=float, help="stop after as many; by default never")
    teller = commands.add_parser("status", help="say what is done")
    packer = commands.add_parser("pack", help="rewrite the data's files smaller")
    for command in (runner, packer):
        command.add_argument("--data-dir", type=Path, required=True)
    for command in (runner, teller):
        command.add_argument("--models", type=Path, required=True, help="where models are kept")
    packer.add_argument("--output", type=Path, required=True, help="directory of the new files")
    arguments = parser.parse_args()
    # So that what was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.command == "run":
        run(arguments.data_dir, arguments.models, arguments.minutes)
    elif arguments.command == "pack":
        pack(arguments.data_dir, arguments.output)
    else:
        print("\n".join(status(arguments.models)))


if __name__ == "__main__":
    main()
