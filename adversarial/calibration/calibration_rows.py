"""Rows to calibrate a detector on: labelled normal rows, damaged and attacked in many ways.

Two kinds of damage are kept apart. What an accuracy estimator learns from leaves marks on the
outputs that it sees: corruptions of images, noise and lost values of flat rows, attacks
(`ESTIMATOR_FAMILIES`). Gross faults such as a wrong unit or a forgotten normalisation often leave
none there, and are told by the input; they are in the calibration sample
(`adversarial.support.sample`) and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import DDN, FGSM, PGD
from adversarial.bundle.accuracy_estimator import ATTACKS
from adversarial.calibration.changed_rows import Changed, predict_changed
from adversarial.calibration.flat_cells import GROSS_ROWS, ROWS, Cell, Change, flat_cells
from adversarial.corruptions import CORRUPTIONS, corrupt
from adversarial.corruptions.image_faults import Fault as ImageFault
from adversarial.corruptions.image_faults import image_faults
from adversarial.descriptors import is_image
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.scorer import Prediction
from adversarial.detector.unit_range import UnitRange
from adversarial.support.novelty import RowDescription
from adversarial.support.sample import with_description

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Told how many rows are made and scored, and how many there will be."""

MAX_CLEAN = 2_000
"""At most this many normal rows are copied and changed."""
ATTACKED_ROWS = 200
"""How many of them are attacked in one way, where that takes many steps."""
IMAGE_SEVERITIES = (1, 3, 5)
FGSM_RADII = (0.01, 0.02, 0.05, 0.1, 0.2)
PGD_RADII = (0.02, 0.1)
PGD_STEPS = 10
DDN_STEPS = 20

ESTIMATOR_FAMILIES = frozenset({*CORRUPTIONS, *ATTACKS, "noise", "shift", "swap", "lose"})
"""Families whose harm shows in the outputs."""


def calibration_rows(
    detector: AdversarialDetector,
    x: Rows,
    y: Classes,
    *,
    seed: int = 0,
    families: Collection[str] | None = None,
    description: RowDescription | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Score damaged and attacked copies of labelled normal rows.

    Parameters
    ----------
    detector : AdversarialDetector
        Scores the copies; its classifier is attacked.
    x : (n, *input_shape) float32
        Normal rows that neither model was trained on, in the units the classifier takes.
    y : (n,) int64
        Their true classes.
    seed : int
        Seed of the drawing of rows and of whatever is random in the changes.
    families : collection of str, optional
        Only these; all when not given.
    description : RowDescription, optional
        Adds the columns of `adversarial.support.sample.with_description`.
    progress : callable, optional
        Called after each kind of damage and each attack. An attack makes its rows anew in every
        step, and each counts.

    Returns
    -------
    pyarrow.Table
        The columns of `Prediction.to_table`, `label` (the true class, by name), `family` (what was
        done, by name) and `severity`. Rows of which the models give no finite number are left out.

    Raises
    ------
    ModelError
        If a row is not finite or not of the detector's shape; names it.
    """
    drawn = np.random.default_rng(seed).permutation(len(x))[:MAX_CLEAN]
    rows, right = x[drawn], y[drawn]
    describe = None
    if description is not None:

        def describe(table: pa.Table, x: Rows, prediction: Prediction) -> pa.Table:
            return with_description(table, description(x, prediction.features))

    works = [
        *_damages(detector, rows, right, seed, families),
        *_attacks(detector, rows, right, families),
    ]
    tables, done, total = [], 0, sum(work.n_rows for work in works)
    for work in works:
        tables += [predict_changed(detector, changed, describe) for changed in work.changed()]
        done += work.n_rows
        if progress:
            progress(done, total)
    return pa.concat_tables(tables)


class _Work(NamedTuple):
    """Rows to make and score, and how many there are."""

    n_rows: int
    changed: Callable[[], Iterator[Changed]]


def _unit_range(detector: AdversarialDetector, x: Rows) -> UnitRange:
    """Return the range that rows are changed within: of each feature, or of the images' values."""
    if len(detector.input_spec.shape) == 1:
        return UnitRange(x.min(axis=0), x.max(axis=0))
    low, high = detector.input_spec.value_range
    # Floating-point images are taken as they are, and may exceed the declared range.
    return UnitRange(min(low, float(x.min())), max(high, float(x.max())))


def _damages(
    detector: AdversarialDetector,
    x: Rows,
    y: Classes,
    seed: int,
    families: Collection[str] | None,
) -> Iterator[_Work]:
    """Yield the kinds of damage, each of rows of its own drawing."""

    def damaged(number: int, cell: Cell) -> Iterator[Changed]:
        rng = np.random.default_rng([seed, number])
        drawn = rng.permutation(len(x))[: cell.n]
        yield Changed(cell.family, cell.severity, cell.damage(x[drawn], rng, seed), y[drawn])

    if is_image(x.shape[1:]):
        cells = _image_cells(_unit_range(detector, x), x.shape[1:])
    else:
        cells = flat_cells(x)
    for number, cell in enumerate(cells):
        if families is None or cell.family in families:
            yield _Work(min(cell.n, len(x)), partial(damaged, number, cell))


def _image_cells(units: UnitRange, shape: tuple[int, ...]) -> Iterator[Cell]:
    def in_units(change: Change) -> Change:
        return lambda rows, rng, seed: units.restore(change(units.scale(rows), rng, seed))

    def corrupted(family: str, level: int) -> Change:
        return lambda rows, _, seed: corrupt(rows, family, level, seed=seed)

    def faulty(fault: ImageFault) -> Change:
        return lambda rows, rng, _: fault(rows, rng)

    for family in CORRUPTIONS:
        if family == "saturate" and shape[-1] == 1:
            continue  # changes nothing
        for level in IMAGE_SEVERITIES:
            yield Cell(family, float(level), ROWS, in_units(corrupted(family, level)))
    for family, severity, fault in image_faults(shape):
        yield Cell(family, severity, GROSS_ROWS, in_units(faulty(fault)))


def _attacks(
    detector: AdversarialDetector, x: Rows, y: Classes, families: Collection[str] | None
) -> Iterator[_Work]:
    units = _unit_range(detector, x)
    model = units.wrap(detector).classifier
    few, right = units.scale(x[:ROWS]), y[:ROWS]
    fewer, their = few[:ATTACKED_ROWS], right[:ATTACKED_ROWS]

    def fgsm() -> Iterator[Changed]:
        step = FGSM(epsilon=max(FGSM_RADII)).run(model, few, right).x_adv - few
        for radius in FGSM_RADII:
            # The full step, cut off, is the step of the smaller radius: one gradient does for all.
            attacked = few + np.clip(step, -radius, radius)
            yield Changed("fgsm", radius, units.restore(attacked), right)

    def pgd() -> Iterator[Changed]:
        for radius in PGD_RADII:
            attack = PGD(epsilon=radius, steps=PGD_STEPS, restarts=1)
            attacked = attack.run(model, fewer, their).x_adv
            yield Changed("pgd", radius, units.restore(attacked), their)

    def ddn() -> Iterator[Changed]:
        attacked = DDN(steps=DDN_STEPS).run(model, fewer, their).x_adv
        yield Changed("ddn", 1.0, units.restore(attacked), their)

    attacks = {
        "fgsm": _Work(len(few) * (1 + len(FGSM_RADII)), fgsm),
        "pgd": _Work(len(fewer) * (1 + PGD_STEPS) * len(PGD_RADII), pgd),
        "ddn": _Work(len(fewer) * (1 + DDN_STEPS), ddn),
    }
    yield from (work for name, work in attacks.items() if families is None or name in families)
