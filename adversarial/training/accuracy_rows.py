"""Rows to fit an accuracy estimator on: labelled normal rows, corrupted and attacked in many ways.

All changes are made to values in [0, 1] (`detector.unit_range`), and stay there: 0 and 1 are the
ends of an image's value range, or the smallest and largest value of each feature of flat rows.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.attacks import DDN, FGSM, PGD
from adversarial.bundle.accuracy_estimator import ATTACKS
from adversarial.corruptions import CORRUPTIONS, corrupt
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.unit_range import UnitRange

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]

MAX_CLEAN = 2_000
"""At most this many normal rows are copied and changed."""
ROWS = 500
"""How many of them are changed in one way, at one severity."""
ATTACKED_ROWS = 200
"""The same for attacks that take many steps."""
IMAGE_SEVERITIES = (1, 3, 5)
DEVIATIONS = (0.25, 0.5, 1.0, 2.0)
"""Noise and shifts of flat rows, in standard deviations of each feature."""
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of a flat row's features that are swapped or lost."""
FGSM_RADII = (0.01, 0.02, 0.05, 0.1, 0.2)
PGD_RADII = (0.02, 0.1)


class Changed(NamedTuple):
    """Rows changed in one way.

    Attributes
    ----------
    family : str
        What was done; the same for all severities.
    severity : float
        How much of it: a level, a radius, a number of standard deviations or a share.
    x : (n, *input_shape) float32
        The changed rows, in [0, 1].
    y : (n,) int64
        Their true classes.
    """

    family: str
    severity: float
    x: Rows
    y: Classes


def calibration_rows(
    detector: AdversarialDetector,
    x: Rows,
    y: Classes,
    *,
    seed: int = 0,
    families: Collection[str] | None = None,
) -> pa.Table:
    """Score corrupted and attacked copies of labelled normal rows.

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
        Only these corruptions and attacks; all when not given.

    Returns
    -------
    pyarrow.Table
        The columns of `Prediction.to_table`, `label` (the true class, by name), `family` (the
        corruption or attack, by name) and `severity`.

    Raises
    ------
    ModelError
        If a row is not finite or not of the detector's shape; names it.
    """
    units = _unit_range(detector, x)
    inner = units.wrap(detector)
    drawn = np.random.default_rng(seed).permutation(len(x))[:MAX_CLEAN]
    scaled, y = units.scale(x[drawn]), y[drawn]
    names = pa.array(detector.class_names, pa.string())
    parts = []
    for changed in chain(
        _corrupted(scaled, y, seed, families), _attacked(inner, scaled, y, families)
    ):
        part = inner.predict(changed.x).to_table(detector.class_names)
        part = part.append_column("label", names.take(pa.array(changed.y)))
        part = part.append_column("family", pa.repeat(changed.family, len(part)))
        parts.append(part.append_column("severity", pa.repeat(changed.severity, len(part))))
    return pa.concat_tables(parts)


def _unit_range(detector: AdversarialDetector, x: Rows) -> UnitRange:
    """Return the range that rows are changed within: of each feature, or of the images' values."""
    if len(detector.input_spec.shape) == 1:
        return UnitRange(x.min(axis=0), x.max(axis=0))
    low, high = detector.input_spec.value_range
    # Floating-point images are taken as they are, and may exceed the declared range.
    return UnitRange(min(low, float(x.min())), max(high, float(x.max())))


def _corrupted(
    x: Rows, y: Classes, seed: int, families: Collection[str] | None
) -> Iterator[Changed]:
    """Yield corrupted rows; each corruption and severity draws its own."""
    is_image = x.ndim == 4 and x.shape[-1] in (1, 3)
    ways = [(name, float(s)) for name in CORRUPTIONS for s in IMAGE_SEVERITIES]
    if is_image and x.shape[-1] == 1:
        ways = [way for way in ways if way[0] != "saturate"]  # changes nothing
    if not is_image:
        ways = [(name, d) for name in ("noise", "shift") for d in DEVIATIONS]
        ways += [(name, share) for name in ("swap", "lose") for share in SHARES]
    for number, (family, severity) in enumerate(ways):
        if families is not None and family not in families:
            continue
        rng = np.random.default_rng([seed, number])
        drawn = rng.permutation(len(x))[:ROWS]
        if is_image:
            changed = corrupt(x[drawn], family, int(severity), seed=seed)
        else:
            changed = _corrupt_flat(x, drawn, family, severity, rng)
        yield Changed(family, severity, changed, y[drawn])


def _corrupt_flat(
    x: Rows, drawn: NDArray[np.int64], family: str, severity: float, rng: np.random.Generator
) -> Rows:
    """Return the drawn rows with noise, shifted features, or features swapped or lost."""
    rows = x[drawn]
    if family == "noise":
        rows = rows + severity * x.std(axis=0) * rng.standard_normal(rows.shape)
    elif family == "shift":
        rows = rows + severity * x.std(axis=0) * rng.integers(-1, 2, rows.shape)
    else:
        instead = rng.permuted(rows, axis=0) if family == "swap" else np.median(x, axis=0)
        rows = np.where(rng.random(rows.shape) < severity, instead, rows)
    return np.clip(rows, 0, 1).astype(np.float32)


def _attacked(
    detector: AdversarialDetector, x: Rows, y: Classes, families: Collection[str] | None
) -> Iterator[Changed]:
    wanted = set(ATTACKS if families is None else families)
    model = detector.classifier
    if "fgsm" in wanted:
        near, right = x[:ROWS], y[:ROWS]
        step = FGSM(epsilon=max(FGSM_RADII)).run(model, near, right).x_adv - near
        for radius in FGSM_RADII:
            # The largest step, clipped, is the step of a smaller radius: one gradient serves all.
            yield Changed("fgsm", radius, near + np.clip(step, -radius, radius), right)
    few, right = x[:ATTACKED_ROWS], y[:ATTACKED_ROWS]
    if "pgd" in wanted:
        for radius in PGD_RADII:
            attack = PGD(epsilon=radius, steps=10, restarts=1)
            yield Changed("pgd", radius, attack.run(model, few, right).x_adv, right)
    if "ddn" in wanted:
        yield Changed("ddn", 1.0, DDN(steps=20).run(model, few, right).x_adv, right)
