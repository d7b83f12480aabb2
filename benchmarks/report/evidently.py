"""One report by Evidently 0.7, in its environment: `-m benchmarks.report.evidently IN OUT`."""

import json
import sys
from pathlib import Path

import pandas as pd
from evidently import Report  # type: ignore[import-not-found]
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

COLUMNS = ["adversarial_score", "confidence", "entropy", "prediction"]

inputs, output = map(Path, sys.argv[1:])
reference = pd.read_parquet(inputs / "reference.parquet", columns=COLUMNS)
current = pd.read_parquet(inputs / "scores.parquet", columns=COLUMNS)
preset = DataDriftPreset(columns=COLUMNS, num_method="ks", cat_method="chisquare")
result = Report([preset]).run(current, reference)
result.save_html(str(output / "report.html"))
(output / "report.json").write_text(result.json(), encoding="utf-8")
(output / "d.json").write_text(json.dumps(float("nan")), encoding="utf-8")  # it gives p alone
