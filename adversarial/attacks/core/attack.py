"""What all attacks share: batches, the model's answers, norms, progress and resumption."""

from __future__ import annotations

import abc
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.batch_files import claim_directory, read_batch, write_batch
from adversarial.attacks.core.criteria import Criterion, Misclassified
from adversarial.attacks.core.hyper_parameters import (
    Check,
    NonNegativeInt,
    PositiveInt,
    are_finite,
    check_hyper_parameters,
)
from adversarial.attacks.core.inputs import Bounds, check_inputs
from adversarial.attacks.core.result import AttackResult
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim
from adversarial.attacks.core.weight_search import search_weights
from adversarial.files import arrays_digest

LEVELS = 255
"""Steps between the bounds in an 8-bit image."""
ROUNDING = 1e-6
"""Share of the bounds' distance that rounding in float32 stays below."""
UNCOMPILED_BATCHES = 2
"""So few batches are attacked in the time that compiling a model and its gradient takes."""


def _are_bounds(bounds: Bounds) -> bool:
    low, high = bounds
    return are_finite(low) and are_finite(high) and bool((np.asarray(low) <= high).all())


@dataclass(frozen=True, kw_only=True)
class Attack(abc.ABC):
    """An attack: its fields are its hyper-parameters, `prepare` is its algorithm.

    An attack of your own is a frozen dataclass that adds fields, each with a type that says what
    values it can take (`attacks.core.hyper_parameters`), and implements `prepare`
    (`docs/extending.md` has a complete one).

    Parameters
    ----------
    bounds : (float, float), or a pair of arrays for flat rows
        Smallest and largest value of x.
    batch_size : int
        Rows attacked together; except for rounding, the result does not depend on it.
    seed : int
        Seed of everything random. Each row has its own random numbers, whatever batch it is in.
    weight_steps : int
        k > 0 searches, for rows on which the attack fails, for the weight of all criteria but the
        first (`attacks.core.weight_search`), attacking them up to k more times. This is useful
        against several criteria at once (`All`).

    Raises
    ------
    ModelError
        If a hyper-parameter has a value that its type does not allow.
    """

    bounds: Annotated[Bounds, Check(_are_bounds, "two finite numbers, the smaller first")] = (
        0.0,
        1.0,
    )
    batch_size: PositiveInt = 256
    seed: NonNegativeInt = 0
    weight_steps: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_hyper_parameters(self)

    @abc.abstractmethod
    def prepare(self, victim: Victim) -> Perturb:
        """Return the attack on one batch, with everything that is compiled for it.

        Parameters
        ----------
        victim : Victim
            What is attacked: it evaluates the criterion and its gradient, and counts how often each
            row is shown to the model.

        Returns
        -------
        callable
            Maps a batch, its classes and its row numbers, `(x, y, rows)`, to the attacked batch,
            with all of its rows, including those on which the attack fails. Each call of the victim
            takes the numbers of the rows it is given: `rows[active]` with `x[active]`. Values
            outside the bounds are clipped afterwards.
        """

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
        model : keras.Model or Criterion
            A classifier with probabilities or logits as output, one per class, which is to
            misclassify; or another criterion to meet (`attacks.core.criteria`). No model is
            changed.
        x : (n, *input_shape) float32
            Rows within the bounds.
        y : (n,) int
            Their classes.
        directory : Path, optional
            Where each batch is kept once it is done. A run that was killed continues from there;
            one that was finished is read.
        verbose : bool
            Show a progress bar.

        Raises
        ------
        ModelError
            If the rows are outside the bounds or not of the model's shape, the numbers of rows and
            classes differ, a class does not exist, or the model is not a classifier.
        AttackError
            If `directory` holds batches of another attack, model or criterion, or of other rows, or
            a file in it is damaged.
        """
        x = np.asarray(x, np.float32)
        y = check_inputs(model, x, np.asarray(y), self.bounds)
        criterion = Misclassified(model) if isinstance(model, keras.Model) else model
        compiled = self.repeats or len(x) > UNCOMPILED_BATCHES * self.batch_size
        victim = Victim(criterion, x.shape[1:], len(x), compiled=compiled)
        if directory is not None:
            directory = Path(directory)
            settings = self.settings() | {"rows": arrays_digest(x, y)}
            claim_directory(directory, settings, victim.fingerprint(x, y))
        perturb = self.prepare(victim)
        if self.weight_steps:
            perturb = search_weights(victim, perturb, self.weight_steps)
        batches = []
        for start in self._starts(len(x), verbose):
            rows = np.arange(start, min(start + self.batch_size, len(x)))
            file = directory / f"{start:07d}.npz" if directory is not None else None
            batches.append(self._batch(victim, perturb, x[rows], y[rows], rows, file))
        merged = {
            name: np.concatenate([batch[name] for batch in batches])
            for name in batches[0]
            if name != "seconds"
        }
        return AttackResult(**merged, seconds=float(sum(batch["seconds"] for batch in batches)))

    @property
    def repeats(self) -> bool:
        """Whether a batch is shown to the model so often that compiling it always pays."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return the attack and its hyper-parameters, which results depend on, as JSON values."""
        values = {
            field.name: np.asarray(getattr(self, field.name)).tolist() for field in fields(self)
        }
        return {"attack": type(self).__name__} | values

    def limits(self) -> tuple[Rows, Rows]:
        """Return the bounds as float32 arrays that broadcast against rows."""
        low, high = self.bounds
        return np.asarray(low, np.float32), np.asarray(high, np.float32)

    def generators(self, rows: NDArray[np.int64], turn: int = 0) -> list[np.random.Generator]:
        """Return a random generator for each row number, whatever batch the row is in.

        Parameters
        ----------
        rows : (n,) int64
            Numbers of the rows among all that are attacked.
        turn : int
            Each turn has its own random numbers, for instance each restart.
        """
        return [np.random.default_rng([self.seed, int(row), turn]) for row in rows]

    def _batch(
        self,
        victim: Victim,
        perturb: Perturb,
        x: Rows,
        y: Classes,
        rows: NDArray[np.int64],
        file: Path | None,
    ) -> dict[str, Any]:
        if file is not None and file.exists():
            return read_batch(file, x)
        started = time.perf_counter()
        x_adv = np.clip(perturb(x, y, rows), *self.limits()).astype(np.float32)
        seconds = time.perf_counter() - started
        queries = victim.queries[rows].copy()
        flat = (x_adv.astype(np.float64) - x).reshape(len(x), -1)
        success = victim.evaluate(x_adv, y, rows).met
        batch = {
            "x_adv": x_adv,
            "success": success,
            "success_rounded": self._success_rounded(victim, x_adv, y, rows, success),
            "l1": np.abs(flat).sum(axis=1),
            "l2": np.sqrt((flat**2).sum(axis=1)),
            "linf": np.abs(flat).max(axis=1),
            "queries": queries,
            "seconds": seconds,
        }
        if file is not None:
            write_batch(file, batch)
        return batch

    def _success_rounded(
        self,
        victim: Victim,
        x_adv: Rows,
        y: Classes,
        rows: NDArray[np.int64],
        success: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Return on which rows the attack succeeds as 8-bit images; some are such already."""
        low, high = self.limits()
        rounded = self._rounded(x_adv)
        moved = np.abs(rounded - x_adv) > ROUNDING * (high - low)
        changed = np.flatnonzero(moved.reshape(len(moved), -1).any(axis=1))
        result = success.copy()
        if len(changed):
            found = victim.evaluate(rounded[changed], y[changed], rows[changed])
            result[changed] = found.met
        return result

    def _rounded(self, x: Rows) -> Rows:
        """Return rows rounded to the levels of an 8-bit image."""
        low, high = self.limits()
        step = (high - low) / LEVELS
        levels = np.round((x - low) / np.where(step > 0, step, 1))
        return np.clip(low + levels * step, low, high).astype(np.float32)

    def _starts(self, n: int, verbose: bool) -> Iterable[int]:
        from rich.progress import track

        starts = range(0, n, self.batch_size)
        return track(starts, type(self).__name__, disable=not verbose)
