"""A small evaluation as `adversarial evaluate` leaves it, from made-up scores and predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.evaluation.estimates import area_under_roc, mean, share
from adversarial.evaluation.schemas import METRICS, PLACE, ROWS

N, K = 60, 2
FPRS = (0.01, 0.05)
THRESHOLDS = {0.01: 2.0, 0.05: 1.0}
ATTACKS = (("cw", "grey-box", False), ("pgd-linf-8/255", "white-box", True))
POLICIES = ("none", "reject", "correct", "correct_always", "correct_gated")


def write_run(
    directory: Path,
    *,
    detectors: tuple[str, ...] = ("kl", "mse"),
    class_names: tuple[str, ...] = ("cat", "dog", "owl"),
    attacks: tuple[tuple[str, str, bool], ...] = ATTACKS,
    corruptions: tuple[str, ...] = ("fog", "snow"),
    channels: int = 1,
    dataset: str = "animals",
    seed: int = 0,
) -> Path:
    """Write the directory; an attack is (name, threat model, whether it has a target).

    Any attack wins half of the rows of each detector that refuses what it flags.
    """
    rng = np.random.default_rng(seed)
    (directory / "images").mkdir(parents=True)
    shape = (K, 8, 8, channels)
    np.save(directory / "images" / "original.npy", rng.random(shape, np.float32))
    label = rng.integers(0, len(class_names), N)
    clean = {name: _predicted(rng, label, 0.9, 0.3) for name in detectors}
    prediction_clean = next(iter(clean.values()))["prediction"]
    nowhere = dict.fromkeys(name for name, _ in PLACE)
    rows: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []

    def add(stem: str, place: dict[str, Any], *, accuracy: float, harsh: float) -> None:
        images = {"attacked": rng.random(shape, np.float32)}
        prediction = _predicted(rng, label, accuracy, harsh)["prediction"]
        for name in detectors:
            found = _predicted(rng, label, accuracy, harsh) | {"prediction": prediction}
            before = clean[name] | {"prediction": prediction_clean}
            columns = found | {f"{key}_clean": value for key, value in before.items()}
            at = nowhere | place | {"defence": name}
            success = None if at["corruption"] else True
            rows.extend(
                at
                | {"row": row, "label": label[row], "success": success}
                | {key: value[row] for key, value in columns.items()}
                for row in range(N)
            )
            images[f"reconstruction-{name}"] = rng.normal(0.5, 1, shape).astype(np.float32)
            images[f"reconstruction_clean-{name}"] = rng.random(shape, np.float32)
            records.extend(_records(at, columns, label, is_first=name == detectors[0]))
        np.savez(directory / "images" / f"{stem}.npz", **images)  # type: ignore[arg-type]

    for attack, threat_model, has_target in attacks:
        for target in detectors if has_target else (None,):
            place: dict[str, Any] = {
                "attack": attack,
                "threat_model": threat_model,
                "target": target,
            }
            parts = [attack, threat_model, *([target] if target else [])]
            add("-".join(parts).replace("/", "_"), place, accuracy=0.1, harsh=3.0)
    for corruption in corruptions:
        for severity in (1, 2):
            place = {"corruption": corruption, "severity": severity}
            add(f"{corruption}-{severity}", place, accuracy=0.9 - 0.2 * severity, harsh=severity)

    for name in detectors if attacks else ():
        everywhere = nowhere | {"attack": "any", "threat_model": "any"}
        lost = {"metric": "undetected_error", "fpr": 0.05, "policy": "reject", "defence": name}
        records.append(everywhere | lost | share(np.arange(N) < N // 2)._asdict())
    config = {
        "attacks": list(dict.fromkeys(attack for attack, _, _ in attacks)),
        "threat_models": list(dict.fromkeys(threat_model for _, threat_model, _ in attacks)),
        "corruptions": list(corruptions),
        "seed": seed,
        "n": N,
        "fprs": list(FPRS),
        "dataset": dataset,
        "model": "cnn",
        "detectors": {name: f"fingerprint-of-{index}" for index, name in enumerate(detectors)},
        "class_names": list(class_names),
    }
    (directory / "config.json").write_text(json.dumps(config))
    write_metrics(directory, records)
    pq.write_table(pa.Table.from_pylist(rows, ROWS), directory / "rows.parquet")
    return directory


def select(records: list[dict[str, Any]], **fields: object) -> list[dict[str, Any]]:
    """Return the records, or rows, that have these values."""
    return [r for r in records if all(r[name] == value for name, value in fields.items())]


def write_metrics(directory: Path, records: list[dict[str, Any]]) -> None:
    """Write `metrics.parquet`."""
    pq.write_table(pa.Table.from_pylist(records, METRICS), directory / "metrics.parquet")


def _predicted(
    rng: np.random.Generator, label: np.ndarray, accuracy: float, harsh: float
) -> dict[str, np.ndarray]:
    def guess(right: float) -> np.ndarray:
        return np.where(rng.random(N) < right, label, (label + 1) % (label.max() + 1))

    return {
        "prediction": guess(accuracy),
        "reconstruction_prediction": guess(0.8),
        "score": rng.exponential(harsh, N),
        "entropy": rng.exponential(0.2, N),
    }


def _records(
    place: dict[str, Any], columns: dict[str, np.ndarray], label: np.ndarray, *, is_first: bool
) -> list[dict[str, Any]]:
    before, after = columns["prediction_clean"], columns["prediction"]
    reconstructed = columns["reconstruction_prediction"]
    alone = {"accuracy_clean": before, "accuracy_attacked": after}
    found: list[tuple[str, float | None, str | None, Any]] = []
    if place["corruption"]:
        harmful = (before == label) & (after != label)
        found += [
            ("accuracy_drifted", None, None, share(after == label)),
            ("score_harmful", None, None, mean(columns["score"][harmful])),
            ("score_ratio", None, None, mean(columns["score"])),
            ("ks_statistic", None, None, (0.3, None, None, N)),
        ]
    else:
        if is_first:
            found += [(name, None, None, share(given == label)) for name, given in alone.items()]
        found += [
            (
                "auc",
                None,
                None,
                area_under_roc(columns["score_clean"], columns["score"], paired=True),
            ),
        ]
    for fpr, threshold in THRESHOLDS.items() if not place["corruption"] else ():
        flagged = columns["score"] > threshold
        corrected = np.where(flagged, reconstructed, after)
        wrong = {
            "none": after != label,
            "reject": (after != label) & ~flagged,
            "correct": corrected != label,
            "correct_always": reconstructed != label,
            "correct_gated": corrected != label,
        }
        found += [
            ("threshold", fpr, None, (threshold, None, None, 500)),
            ("flagged_clean", fpr, None, share(columns["score_clean"] > threshold)),
            ("detection_rate", fpr, None, share(flagged)),
            ("accuracy_defended", fpr, "correct", share(corrected == label)),
            *(("undetected_error", fpr, policy, share(wrong[policy])) for policy in POLICIES),
        ]
    return [
        place
        | {"metric": metric, "fpr": rate, "policy": policy}
        | {"defence": None if metric in alone else place["defence"]}
        | dict(zip(("value", "low", "high", "n"), estimate, strict=True))
        for metric, rate, policy, estimate in found
    ]
