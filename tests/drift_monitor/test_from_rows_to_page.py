"""Each number of a report's first screen, computed a second time from the raw rows.

Nothing of `drift_monitor` computes here but the page that is looked at: scores come from the
detector, statistics from formulas written out.
"""

import math
import re
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.stats import fisher_exact, norm

from adversarial import AdversarialDetector
from adversarial.detector.scorer import Prediction
from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import read_report
from drift_monitor.results.report_findings import Support
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch

DAY = date(2026, 11, 20)
N = 400
Numbers = dict[str, float]


def wilson(k: int, n: int, alpha: float) -> tuple[float, float, float]:
    p, z = k / n, norm.isf(alpha / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p, centre - half, centre + half


def difference(prefix: str, here: tuple[int, int], there: tuple[int, int], alpha: float) -> Numbers:
    (p, low, high), (q, q_low, q_high) = wilson(*here, alpha), wilson(*there, alpha)
    return {
        f"{prefix}-current": p,
        f"{prefix}-reference": q,
        f"{prefix}-difference": p - q,
        f"{prefix}-difference-low": p - q - math.hypot(p - low, q_high - q),
        f"{prefix}-difference-high": p - q + math.hypot(high - p, q - q_low),
    }


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return D by its definition: the largest difference of the two shares at or below a value."""
    return max(abs(float(np.mean(a <= x)) - float(np.mean(b <= x))) for x in [*a, *b])


def shown(page: str) -> Numbers:
    """Return value by id of every number of the first screen, which must be written as it is."""
    top = page.split('<h2 id="tests"', maxsplit=1)[0]
    found = {}
    for name, value, text in re.findall(r'<data id="([^"]*)" value="([^"]*)">([^<]*)</data>', top):
        found[name] = float(value)
        written = re.fullmatch(r"([+−-]?[\d,]*\.?\d+)(%?)", text)
        if written:  # a p-value may be a bound in words
            number = float(written[1].replace("−", "-").replace(",", ""))
            scale = 100 if written[2] or "difference" in name or "margin" in name else 1
            half_a_digit = 0.0501 if scale > 1 else 5.01e-4  # a value may lie between two texts
            assert number == pytest.approx(scale * float(value), abs=half_a_digit)
    return found


def novel_rows(
    detector: AdversarialDetector, x: NDArray[np.float32], result: Prediction
) -> tuple[float, float, float]:
    """Return the share of novel rows, that of normal ones, and by how much it rose."""
    index = detector.calibration.novelty
    assert index is not None
    here = int((index.novelty(index.description(x, result.features)) > 1).sum())
    there, held_out = index.n_novel, index.n_held_out
    table = np.array([[here, N - here], [there, held_out - there]])
    risen = fisher_exact(table, alternative="greater").pvalue < 0.001
    return here / N, there / held_out, here / N - there / held_out if risen else 0.0


def estimates(
    p: NDArray[np.float64],
    q: NDArray[np.float64],
    alpha: float,
    support: Support,
    novel: tuple[float, float, float],
) -> Numbers:
    """Return estimate and bounds, from the estimator's probabilities for batch and reference."""
    there = float(q.mean())
    drops, ends, bounds, unknowns = [], [], [], []
    for explanation in support.explanations:
        drop = there - min(1, max(0, p.mean() + explanation.correction))
        variance = p.var() / N + q.var() / len(q)
        reach = norm.isf(alpha / 2) * math.sqrt(
            variance + (0.15 * drop) ** 2 + explanation.correction_error**2
        )
        unknown = min(1, max(4 * explanation.unexplained, novel[2] - explanation.novel))
        low = (1 - unknown) * max(0, there - drop - reach) - there
        high = (1 - unknown) * min(1, there - drop + reach) + unknown - there
        drops.append(drop)
        ends.append((max(-1, -drop - reach), min(1, -drop + reach)))
        bounds.append((low, high))
        unknowns.append(unknown)
    drop, unknown = drops[0], max(unknowns)
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    luck = norm.isf(alpha / 2) * math.sqrt((q * (1 - q)).sum()) / len(q)
    return {
        "estimated-current": there - drop,
        "estimated-reference": there,
        "estimated-difference": -drop,
        "estimated-difference-low": min(low for low, _ in ends),
        "estimated-difference-high": max(high for _, high in ends),
        "bounds-low": max(0, there - drop - math.hypot(low + drop, luck)),
        "bounds-high": min(1, there - drop + math.hypot(high + drop, luck)),
        "bounds-difference-low": low,
        "bounds-difference-high": high,
        "novel-current": novel[0],
        "novel-reference": novel[1],
    } | ({"bounds-unknown": unknown} if unknown else {})


def flagged(result: Prediction, threshold: float) -> int:
    return int(np.count_nonzero(result.score > threshold))


@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "detector"])
def test_each_number_follows_from_the_rows(make_monitor: MakeMonitor, labelled: bool) -> None:
    path = make_monitor()
    images, labels = make_images(N, seed=4)
    noise = np.random.default_rng(0).normal(0, 90, images.shape)
    images = np.clip(images + noise, 0, 255).astype(np.uint8)
    write_batch(path.parent / "batches" / f"{DAY}.parquet", images, labels if labelled else None)
    monitor = load_monitor(path)
    run_interval(monitor, monitor.interval(DAY))
    page = (monitor.directory / f"{DAY}" / "report.html").read_text(encoding="utf-8")

    detector = AdversarialDetector.load(monitor.detector)
    result = detector.predict((images[..., None] / 255).astype(np.float32))
    window = pq.read_table(f"{monitor.detector}/reference.parquet")
    reference_scores = np.asarray(window["adversarial_score"])
    names = np.array(detector.class_names)
    reference_prediction = np.asarray(window["prediction"])
    reference_right = reference_prediction == np.asarray(window["label"])
    n_reference = len(window)
    reference_flagged = reference_scores > detector.threshold
    alpha = 0.05 if labelled else 0.025  # two rules share what is for harm

    expected: Numbers = {
        "rows-scored": N,
        "rows-read": N,
        "rows-rejected": 0,
        "rows-labelled": N if labelled else 0,
        "rows-flagged": flagged(result, detector.threshold),
        "flagged-current": flagged(result, detector.threshold) / N,
        "flagged-reference": float(reference_flagged.mean()),
        "reference-rows": n_reference,
        "harm-margin": 0.01,
        "score-threshold": 0.1,
    }
    right = result.prediction == labels
    if labelled:
        wrong, reference_wrong = N - int(right.sum()), n_reference - int(reference_right.sum())
        expected |= difference("harm", (wrong, N), (reference_wrong, n_reference), alpha)
        expected |= difference(
            "realised", (N - wrong, N), (n_reference - reference_wrong, n_reference), alpha
        )
    else:
        changed = result.flagged & (result.prediction != result.reconstruction_prediction)
        there = reference_flagged & (
            reference_prediction != np.asarray(window["reconstruction_prediction"])
        )
        expected |= difference(
            "harm", (int(changed.sum()), N), (int(there.sum()), n_reference), alpha
        )

    d = distance(reference_scores, result.score)
    band = sum(math.sqrt(math.log(4 / 0.05) / (2 * n)) for n in (N, n_reference))
    expected |= {"score-d": d, "score-low": max(0, d - band), "score-high": min(1, d + band)}

    accuracy_estimator = detector.calibration.accuracy_estimator
    assert accuracy_estimator is not None
    p, _ = accuracy_estimator.predict(result.to_table(detector.class_names))
    q, _ = accuracy_estimator.predict(window)
    support = read_report(monitor.directory / f"{DAY}" / "report.json").support
    assert support is not None
    x = (images[..., None] / 255).astype(np.float32)
    expected |= estimates(p, q, alpha, support, novel_rows(detector, x, result))
    if "bounds-low" not in page:  # bounds too wide to be of use are written as their difference
        del expected["bounds-low"], expected["bounds-high"]

    found = shown(page)
    assert 0 < found.pop("score-p") <= 1
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert set(names[result.prediction]) <= set(re.findall(r"cat|dog|owl", page))
