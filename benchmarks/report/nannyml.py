"""One report by NannyML 0.13, in its environment: `-m benchmarks.report.nannyml IN OUT`."""

import json
import sys
from pathlib import Path

import nannyml  # type: ignore[import-not-found]
import pandas as pd

COLUMNS = ["adversarial_score", "confidence", "entropy", "prediction"]

inputs, output = map(Path, sys.argv[1:])
reference = pd.read_parquet(inputs / "reference.parquet", columns=COLUMNS)
current = pd.read_parquet(inputs / "scores.parquet", columns=COLUMNS)
calculator = nannyml.UnivariateDriftCalculator(
    column_names=COLUMNS,
    continuous_methods=["kolmogorov_smirnov"],
    categorical_methods=["chi2"],
    chunk_number=1,
)
results = calculator.fit(reference).calculate(current)
results.plot(kind="drift").write_html(output / "report.html")
frame = results.filter(period="analysis").to_df()
frame.to_json(output / "report.json", orient="records", default_handler=str)
d = float(frame["adversarial_score"]["kolmogorov_smirnov"]["value"].iloc[0])
(output / "d.json").write_text(json.dumps(d), encoding="utf-8")
