"""What a score makes of drift: how well it tells harm, and on which batches it raises an alarm."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.corruptions import BENCHMARK, SEVERITIES, corrupt
from adversarial.evaluation.drift_metrics import split_drift
from adversarial.evaluation.estimates import percentiles, ratio_of_means
from adversarial.runtimes.runtime import Outputs
from adversarial.statistics import roc_area

Images = NDArray[np.float32]
Classes = NDArray[np.int64]
Scores = NDArray[np.float64]

FPR = 0.05
ALPHA = 0.05
BATCH_ROWS, N_BATCHES = 200, 20
N_BOOTSTRAP = 300
SEED = 0
KINDS = {"no drift": (-1.0, 0.0), "harmless": (-1.0, 0.02), "harmful": (0.1, 1.0)}
"""Falls in accuracy of the corruptions that batches are drawn from; the first is not corrupted."""


class Cell(NamedTuple):
    """Images that were corrupted in one way, at one severity."""

    severity: int
    fall: float
    """In accuracy, as a share."""
    outputs: Outputs
    is_harmful: NDArray[np.bool_]
    is_harmless: NDArray[np.bool_]


def corrupted_cells(outputs: Callable[[Images], Outputs], x: Images, y: Classes) -> list[Cell]:
    """Score the images after each of CIFAR-10-C's corruptions; the first cell is uncorrupted."""
    clean = outputs(x)
    before = clean.probabilities.argmax(axis=1)
    accuracy = float(np.mean(before == y))
    nothing = np.zeros(len(x), bool)
    cells = [Cell(0, 0.0, clean, nothing, nothing)]
    for name in BENCHMARK:
        for severity in SEVERITIES:
            found = outputs(corrupt(x, name, severity, seed=SEED))
            after = found.probabilities.argmax(axis=1)
            fall = accuracy - float(np.mean(after == y))
            cells.append(Cell(severity, fall, found, *split_drift(before, after, y)))
    return cells


def compare(
    scores: Mapping[str, Callable[[Outputs], Scores]], normal: Outputs, cells: list[Cell]
) -> dict[str, Any]:
    """Return what each score makes of the cells; the first is the one others are compared with."""
    result: dict[str, Any] = {"severity": [], "batches": []}
    for severity in SEVERITIES:
        chosen = [cell for cell in cells if cell.severity == severity]
        first: Scores | None = None
        for name, score in scores.items():
            scored = [(cell, score(cell.outputs)) for cell in chosen]
            harmful = [values[cell.is_harmful] for cell, values in scored]
            harmless = [values[cell.is_harmless] for cell, values in scored]
            above, below = np.concatenate(harmful), np.concatenate(harmless)
            areas = _areas(harmless, harmful)
            first = areas if first is None else first
            low, high = percentiles(areas - first)
            result["severity"].append(
                {
                    "score": name,
                    "severity": severity,
                    "ratio": ratio_of_means(above, below, seed=SEED)._asdict(),
                    "auc": roc_area(below, above),
                    "gain": float(np.mean(areas - first)),
                    "gain_low": low,
                    "gain_high": high,
                }
            )
    for name, score in scores.items():
        window = score(normal)
        for kind, (least, most) in KINDS.items():
            drifted = cells[:1] if kind == "no drift" else cells[1:]
            chosen = [cell for cell in drifted if least <= cell.fall <= most]
            alarms = [_alarms(score(cell.outputs), window) for cell in chosen]
            result["batches"].append(
                {
                    "score": name,
                    "kind": kind,
                    "cells": len(chosen),
                    "moved": float(np.mean([moved for moved, _ in alarms])) if alarms else None,
                    "flagged": float(np.mean([rate for _, rate in alarms])) if alarms else None,
                }
            )
    return result


def _areas(harmless: list[Scores], harmful: list[Scores]) -> Scores:
    """Return the AUC in resamples of the corruptions, the same ones for every score."""
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(harmful), (N_BOOTSTRAP, len(harmful)))
    return np.array(
        [
            roc_area(
                np.concatenate([harmless[i] for i in drawn]),
                np.concatenate([harmful[i] for i in drawn]),
            )
            for drawn in draws
        ]
    )


def _alarms(scores: Scores, window: Scores) -> tuple[float, float]:
    """Return the shares of batches that a KS test and the rate of flagged rows find moved."""
    threshold = np.quantile(window, 1 - FPR)
    usual = float(np.mean(window > threshold))
    rng = np.random.default_rng(SEED)
    moved = flagged = 0
    for _ in range(N_BATCHES):
        batch = rng.choice(scores, BATCH_ROWS, replace=False)
        moved += scipy.stats.ks_2samp(batch, window).pvalue < ALPHA
        hits = int(np.sum(batch > threshold))
        flagged += scipy.stats.binom.sf(hits - 1, BATCH_ROWS, usual) < ALPHA
    return moved / N_BATCHES, flagged / N_BATCHES
