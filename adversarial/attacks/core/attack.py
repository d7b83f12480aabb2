"""What all attacks share: batches, the model's answers, norms, progress and resumption."""

from __future__ import annotations

import abc
import json
import time
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.criteria import Criterion, Misclassified
from adversarial.attacks.core.logits import check_output
from adversarial.attacks.core.result import AttackResult
from adversarial.attacks.core.victim import FINGERPRINT_ROWS, Classes, Perturb, Rows, Victim
from adversarial.attacks.core.weight_search import search_weights
from adversarial.errors import DriftMonitorError, ModelError
from adversarial.files import arrays_digest, describe_changes, replace_file, write_json

Bounds = tuple[float | NDArray[np.floating], float | NDArray[np.floating]]

LEVELS = 255
"""Steps between the bounds in an 8-bit image."""


class AttackError(DriftMonitorError):
    """What an attack has left in its directory belongs to another one, or is damaged."""


@dataclass(frozen=True, kw_only=True)
class Attack(abc.ABC):
    """An attack: its fields are its hyper-parameters, `run` is the attack.

    Parameters
    ----------
    bounds : (float, float), or a pair of arrays for flat rows
        Smallest and largest value of x.
    batch_size : int
        Rows that are attacked together; the result does not depend on it but for rounding.
    seed : int
        Of what is random. Each row has random numbers of its own, whatever batch it is in.
    weight_steps : int
        k > 0 searches, for rows on which the attack fails, the weight of all criteria but the
        first (`attacks.core.weight_search`), and attacks them up to k times more. Of use against
        several criteria at once (`All`).
    """

    bounds: Bounds = (0.0, 1.0)
    batch_size: int = 256
    seed: int = 0
    weight_steps: int = 0

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if get_origin(kind) is Literal and value not in get_args(kind):
                known = ", ".join(map(repr, get_args(kind)))
                raise ModelError(f"{name} is {value!r}: expected one of {known}")
            if kind is int and not isinstance(value, int | np.integer):
                raise ModelError(f"{name} is {value!r}: expected a whole number")
        for name in ("batch_size", "steps", "restarts", "draws"):
            if getattr(self, name, 1) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}: expected 1 or more")
        for name in ("seed", "weight_steps", "search_steps"):
            if getattr(self, name, 0) < 0:
                raise ModelError(f"{name} is {getattr(self, name)}: expected 0 or more")
        for name in (
            "epsilon",
            "step_size",
            "learning_rate",
            "initial_c",
            "initial_norm",
            "tolerance",
        ):
            value = getattr(self, name, None)
            if value is not None and not _are_finite(value, least=0):
                raise ModelError(f"{name} is {value!r}: expected a finite number, 0 or more")
        low, high = self.bounds
        if not (_are_finite(low) and _are_finite(high) and (np.asarray(low) <= high).all()):
            raise ModelError(
                f"bounds are {self.bounds}: expected two finite numbers, the smaller first"
            )

    @abc.abstractmethod
    def _prepare(self, victim: Victim) -> Perturb:
        """Return the attack on one batch, with all that is compiled for it."""

    def run(
        self,
        model: keras.Model | Criterion,
        x: Rows,
        y: Classes,
        *,
        directory: Path | None = None,
        verbose: bool = False,
    ) -> AttackResult:
        """Attack the rows.

        Parameters
        ----------
        model : keras.Model or criterion
            A classifier with probabilities or logits as output, one for each class, which is to
            misclassify; or what is to be met instead (`attacks.core.criteria`). No model is
            changed.
        x : (n, *input_shape) float32
            Rows within the bounds.
        y : (n,) int
            Their classes.
        directory : Path, optional
            Where each batch is kept once it is done. A run that was killed goes on from there; one
            that was finished is read.
        verbose : bool
            Show a progress bar.

        Raises
        ------
        ModelError
            If the rows are outside of the bounds or not of the model's shape, the numbers of rows
            and classes differ, a class does not exist, or the model is no classifier.
        AttackError
            If `directory` holds batches of another attack, model or criterion or of other rows, or
            a file in it is damaged.
        """
        x = np.asarray(x, np.float32)
        y = self._check(model, x, np.asarray(y))
        criterion: Criterion = Misclassified(model) if isinstance(model, keras.Model) else model
        victim = Victim(criterion, x.shape[1:], len(x))
        if directory is not None:
            directory = Path(directory)
            self._claim(directory, arrays_digest(x, y), victim.fingerprint(x, y))
        perturb = self._prepare(victim)
        if self.weight_steps:
            perturb = search_weights(victim, perturb, self.weight_steps)
        parts = []
        for start in self._starts(len(x), verbose):
            rows = np.arange(start, min(start + self.batch_size, len(x)))
            kept = directory / f"{start:07d}.npz" if directory is not None else None
            parts.append(self._batch(victim, perturb, x[rows], y[rows], rows, kept))
        merged = {
            name: np.concatenate([part[name] for part in parts])
            for name in parts[0]
            if name != "seconds"
        }
        return AttackResult(**merged, seconds=float(sum(part["seconds"] for part in parts)))

    def _batch(
        self,
        victim: Victim,
        perturb: Perturb,
        x: Rows,
        y: Classes,
        rows: NDArray[np.int64],
        kept: Path | None,
    ) -> dict[str, Any]:
        if kept is not None and kept.exists():
            return _read_batch(kept, x)
        started = time.perf_counter()
        x_adv = np.clip(perturb(x, y, rows), *self._limits()).astype(np.float32)
        seconds = time.perf_counter() - started
        queries = victim.queries[rows].copy()
        flat = (x_adv.astype(np.float64) - x).reshape(len(x), -1)
        part = {
            "x_adv": x_adv,
            "success": victim.aim(x_adv, y, rows).met,
            "success_rounded": victim.aim(self._rounded(x_adv), y, rows).met,
            "l1": np.abs(flat).sum(axis=1),
            "l2": np.sqrt((flat**2).sum(axis=1)),
            "linf": np.abs(flat).max(axis=1),
            "queries": queries,
            "seconds": seconds,
        }
        if kept is not None:
            with replace_file(kept) as scratch:
                np.savez(scratch, **part)
        return part

    def _limits(self) -> tuple[Rows, Rows]:
        low, high = self.bounds
        return np.asarray(low, np.float32), np.asarray(high, np.float32)

    def _rounded(self, x: Rows) -> Rows:
        low, high = self._limits()
        step = (high - low) / LEVELS
        levels = np.round((x - low) / np.where(step > 0, step, 1))
        return np.clip(low + levels * step, low, high).astype(np.float32)

    def _draw(self, rows: NDArray[np.int64], turn: int) -> list[np.random.Generator]:
        """Return a random generator for each row and turn, whatever batch the row is in."""
        return [np.random.default_rng([self.seed, int(row), turn]) for row in rows]

    def _check(self, model: object, x: Rows, y: NDArray[Any]) -> Classes:
        """Return the classes as int64, or raise ModelError for what cannot be attacked."""
        if not callable(model):
            raise ModelError(
                f"{type(model).__name__} cannot be attacked: give a keras.Model or a criterion; of "
                "a detector, its `classifier` or one of `adversarial.evaluation.threat_models`"
            )
        if not len(x) or y.shape != (len(x),):
            raise ModelError(
                f"{len(x)} rows and classes of shape {y.shape}: expected one class per row"
            )
        if not np.issubdtype(y.dtype, np.integer):
            raise ModelError(f"the classes are {y.dtype}: expected whole numbers")
        if isinstance(model, keras.Model):
            if not model.built or isinstance(model.output_shape, list):
                raise ModelError(
                    f"the model {model.name!r} has not been built or has several outputs: give one "
                    "that has been called on rows, and has one output"
                )
            shape, n_classes = model.input_shape[1:], model.output_shape[-1]
            if any(
                have != want for have, want in zip(x.shape[1:], shape, strict=False) if want
            ) or (x.ndim != len(shape) + 1):
                raise ModelError(f"rows have shape {x.shape[1:]}: the model takes {shape}")
            unknown = (y < 0) | (y >= n_classes)
            if unknown.any():
                row = int(unknown.argmax())
                raise ModelError(f"row {row} has class {y[row]}: the model has {n_classes}, from 0")
            if n_classes < 2:
                raise ModelError(
                    "the model has one output: expected one for each class, as 1 − p and p of a "
                    "sigmoid"
                )
        low, high = self._limits()
        inside = ((x >= low) & (x <= high)).reshape(len(x), -1).all(axis=1)
        if not inside.all():
            raise ModelError(
                f"row {int(inside.argmin())} has a value that is not within the bounds "
                f"{self.bounds}: scale the rows, or give the attack their bounds"
            )
        if isinstance(model, keras.Model):
            check_output(model, x[:FINGERPRINT_ROWS])
        return y.astype(np.int64)

    def _starts(self, n: int, verbose: bool) -> Any:
        from rich.progress import track

        starts = range(0, n, self.batch_size)
        return track(starts, type(self).__name__, disable=not verbose)

    def _claim(self, directory: Path, data: str, fingerprint: list[list[float]]) -> None:
        """Note what the directory is for, or check that it is for this."""
        settings = {"attack": type(self).__name__, "rows": data} | {
            field.name: np.asarray(getattr(self, field.name)).tolist() for field in fields(self)
        }
        file = directory / "attack.json"
        if not file.exists():
            directory.mkdir(parents=True, exist_ok=True)
            write_json(file, {"settings": settings, "fingerprint": fingerprint})
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            known, before = dict(found["settings"]), np.array(found["fingerprint"], np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise AttackError(f"{file} is damaged ({error}): remove {directory}") from None
        changed = describe_changes(known, settings)
        now = np.array(fingerprint)
        # The last digits may differ from one process to the next.
        if not changed and not (
            before.shape == now.shape and np.allclose(before, now, rtol=1e-3, atol=1e-3)
        ):
            changed = "another model or criterion"
        if changed:
            raise AttackError(
                f"{directory} holds another attack ({changed}): give another directory, or remove "
                "this one"
            )


def _are_finite(value: Any, least: float = -np.inf) -> bool:
    numbers = np.asarray(value)
    if not np.issubdtype(numbers.dtype, np.number):
        return False
    return bool((np.isfinite(numbers) & (numbers >= least)).all())


def _read_batch(kept: Path, x: Rows) -> dict[str, Any]:
    """Return what is kept of a batch, or raise AttackError if it is no batch of such rows."""
    try:
        with kept.open("rb") as file, np.load(file) as stored:
            part, why = dict(stored), "other arrays, or values that are not finite"
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        part, why = {}, str(error)
    shapes = {name: values.shape for name, values in part.items()}
    rows = {field.name: (len(x),) for field in fields(AttackResult)}
    whole = shapes == rows | {"x_adv": x.shape, "seconds": ()}
    if not whole or not np.isfinite(part["x_adv"]).all():
        raise AttackError(f"{kept} is damaged ({why}): remove it, and its rows are attacked again")
    return part
