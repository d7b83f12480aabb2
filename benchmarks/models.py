"""What the paper's models reach: reads the summaries that `adversarial train` left.

    python benchmarks/models.py

Trains nothing. A model that has not been trained on this machine is left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from record import write_record

from adversarial.bundle import MANIFEST, read_bundle
from adversarial.cli import cache_directory
from adversarial.paper_models import RECIPES


def summary(directory: Path) -> dict[str, Any] | None:
    """Return the classifier's summary, with its detectors' by name."""
    file = directory / "classifier.json"
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    found["detectors"] = {}
    for manifest in sorted(directory.glob(f"*/{MANIFEST}")):
        training = read_bundle(manifest.parent).manifest.training
        found["detectors"][manifest.parent.name] = {
            name: training[name]
            for name in ("corrected_accuracy", "epochs", "seed", "precision", "seconds")
        }
    return found


def lines(found: dict[str, Any], paper: float | None) -> list[str]:
    """Return the rows of the table of one classifier and its detectors."""
    rows = [
        f"{found['dataset'] + ' ' + found['model']:26}{found['accuracy']:>10.2%}"
        f"{'–' if paper is None else format(paper, '.2%'):>9}{found['epochs']:>8}"
        f"{found['seconds'] / 60:>9.0f}"
    ]
    rows += [
        f"  M(AE(x)), {name:14}{detector['corrected_accuracy']:>10.2%}{'':9}"
        f"{detector['epochs']:>8}{detector['seconds'] / 60:>9.0f}"
        for name, detector in found["detectors"].items()
    ]
    return rows


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
            "Test accuracy of M(x), of the paper's, and of each detector's M(AE(x)), unattacked",
            "",
            f"{'':26}{'accuracy':>10}{'paper':>9}{'epochs':>8}{'minutes':>9}",
            *(
                row
                for key, found in summaries.items()
                for row in lines(found, RECIPES[key].paper_accuracy)
            ),
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
