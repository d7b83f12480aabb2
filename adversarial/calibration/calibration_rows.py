"""Rows to calibrate a detector on: labelled normal rows, damaged and attacked in many ways.

Two kinds of damage are kept apart. What an accuracy estimator learns from leaves marks on the
outputs that it sees: corruptions of images, noise and lost values of flat rows, attacks
(`ESTIMATOR_FAMILIES`). Gross faults such as a wrong unit or a forgotten normalisation often leave
none there, and are told by the input; they are in the calibration sample
(`adversarial.support.sample`) and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

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

MAX_CLEAN = 2_000
"""At most this many normal rows are copied and changed."""
ATTACKED_ROWS = 200
"""How many of them are attacked in one way, where that takes many steps."""
IMAGE_SEVERITIES = (1, 3, 5)
FGSM_RADII = (0.01, 0.02, 0.05, 0.1, 0.2)
PGD_RADII = (0.02, 0.1)

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

    damaged = _damaged(detector, rows, right, seed, families)
    attacked = _attacked(detector, rows, right, families)
    return pa.concat_tables(
        [predict_changed(detector, changed, describe) for changed in chain(damaged, attacked)]
    )


def _unit_range(detector: AdversarialDetector, x: Rows) -> UnitRange:
    """Return the range that rows are changed within: of each feature, or of the images' values."""
    if len(detector.input_spec.shape) == 1:
        return UnitRange(x.min(axis=0), x.max(axis=0))
    low, high = detector.input_spec.value_range
    # Floating-point images are taken as they are, and may exceed the declared range.
    return UnitRange(min(low, float(x.min())), max(high, float(x.max())))


def _damaged(
    detector: AdversarialDetector,
    x: Rows,
    y: Classes,
    seed: int,
    families: Collection[str] | None,
) -> Iterator[Changed]:
    """Yield damaged rows, each cell made of rows of its own drawing."""
    if is_image(x.shape[1:]):
        cells = _image_cells(_unit_range(detector, x), x.shape[1:])
    else:
        cells = flat_cells(x)
    for number, cell in enumerate(cells):
        if families is not None and cell.family not in families:
            continue
        rng = np.random.default_rng([seed, number])
        drawn = rng.permutation(len(x))[: cell.n]
        damaged = cell.damage(x[drawn], rng, seed)
        yield Changed(cell.family, cell.severity, damaged, y[drawn])


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


def _attacked(
    detector: AdversarialDetector, x: Rows, y: Classes, families: Collection[str] | None
) -> Iterator[Changed]:
    wanted = set(ATTACKS if families is None else families)
    units = _unit_range(detector, x)
    model = units.wrap(detector).classifier
    few, right = units.scale(x[:ROWS]), y[:ROWS]
    if "fgsm" in wanted:
        step = FGSM(epsilon=max(FGSM_RADII)).run(model, few, right).x_adv - few
        for radius in FGSM_RADII:
            # The full step, cut off, is the step of the smaller radius: one gradient does for all.
            attacked = few + np.clip(step, -radius, radius)
            yield Changed("fgsm", radius, units.restore(attacked), right)
    few, right = few[:ATTACKED_ROWS], right[:ATTACKED_ROWS]
    if "pgd" in wanted:
        for radius in PGD_RADII:
            attack = PGD(epsilon=radius, steps=10, restarts=1)
            attacked = attack.run(model, few, right).x_adv
            yield Changed("pgd", radius, units.restore(attacked), right)
    if "ddn" in wanted:
        attacked = DDN(steps=20).run(model, few, right).x_adv
        yield Changed("ddn", 1.0, units.restore(attacked), right)
