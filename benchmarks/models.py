"""What the paper's models reach: reads the summaries that `adversarial train` left.

    python benchmarks/models.py

Trains nothing. A model that has not been trained on this machine is left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from record import write_record

from adversarial.bundle import read_bundle
from adversarial.cli import cache_directory
from adversarial.paper_models import RECIPES


def summary(directory: Path) -> dict[str, Any] | None:
    """Return the classifier's summary and, where there is one, its detector's."""
    file = directory / "classifier.json"
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if (directory / "detector").exists():
        training = read_bundle(directory / "detector").manifest.training
        found["detector"] = {
            name: training[name]
            for name in ("corrected_accuracy", "epochs", "seed", "precision", "seconds")
        }
    return found


def line(found: dict[str, Any], paper: float | None) -> str:
    """Return one row of the table."""
    detector = found.get("detector")
    corrected = f"{detector['corrected_accuracy']:.2%}" if detector else "–"
    epochs = f"{found['epochs']} + {detector['epochs']}" if detector else str(found["epochs"])
    seconds = found["seconds"] + (detector["seconds"] if detector else 0)
    name = f"{found['dataset']} {found['model']}"
    return (
        f"{name:22}{found['accuracy']:>10.2%}{'–' if paper is None else format(paper, '.2%'):>9}"
        f"{corrected:>12}{epochs:>10}{seconds / 60:>10.0f}"
    )


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache-dir", type=Path, default=cache_directory())
    arguments = parser.parse_args()
    summaries = {
        key: found
        for key in RECIPES
        if (found := summary(arguments.cache_dir / "-".join(key))) is not None
    }
    if not summaries:
        raise SystemExit(f"no model in {arguments.cache_dir}: train some with 'adversarial train'")
    text = "\n".join(
        [
            "Test accuracy of M(x), of the paper's, and of M(AE(x)) on the same clean images",
            "",
            f"{'':22}{'M(x)':>10}{'paper':>9}{'M(AE(x))':>12}{'epochs':>10}{'minutes':>10}",
            *(line(found, RECIPES[key].paper_accuracy) for key, found in summaries.items()),
            "",
            *(
                f"{name}: adversarial train --dataset {dataset} --model {model}"
                + (f" --epochs {epochs}" if epochs != RECIPES[dataset, model].epochs else "")
                + (f" (trained and tested on images that {note})" if note else "")
                for (dataset, model), found in summaries.items()
                for name, epochs in [(f"{dataset} {model}", found["epochs"])]
                for note in [found["source"].partition(", whose images ")[2]]
            ),
        ]
    )
    for found in summaries.values():
        found["source"] = found["source"].partition(", ")[2]  # without this machine's directory
    write_record("models", text, {"models": list(summaries.values())})


if __name__ == "__main__":
    main()
