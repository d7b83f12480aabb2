"""NannyML's alerts on each batch: `-m studies.verdicts.peers.nannyml REF BATCHES SIZE`.

Both are Parquet files; each SIZE rows of BATCHES are a batch. Prints one JSON object a batch: how
many columns its univariate drift alerts on, and whether CBPE alerts on estimated accuracy.
"""

import json
import sys

import pandas as pd
from nannyml import CBPE, UnivariateDriftCalculator  # type: ignore[import-not-found]


def main() -> None:
    """Judge each batch with NannyML's defaults."""
    reference, current = map(pd.read_parquet, sys.argv[1:3])
    size = int(sys.argv[3])
    names = [name for name in reference.columns if name[:2] == "p:"]
    inputs = [name for name in reference.columns if name not in {*names, "prediction", "label"}]
    several = len(names) > 2
    if not several:
        positive = names[1][2:]
        for frame in (reference, current):
            for column in ("prediction", "label"):
                frame[column] = (frame[column] == positive).astype(int)
    # Thresholds come from the chunks of the reference, of which there must be several.
    chunk = min(size, len(reference) // 5)
    drift = UnivariateDriftCalculator(column_names=inputs, chunk_size=chunk).fit(reference)
    estimator = CBPE(
        problem_type="classification_multiclass" if several else "classification_binary",
        y_pred_proba={name[2:]: name for name in names} if several else names[1],
        y_pred="prediction",
        y_true="label",
        metrics=["accuracy"],
        chunk_size=chunk,
    ).fit(reference)
    for first in range(0, len(current), size):
        rows = current[first : first + size].reset_index(drop=True)
        moved = drift.calculate(rows).filter(period="analysis").to_df()
        alerts = moved.loc[:, moved.columns.get_level_values(-1) == "alert"].mean()
        estimated = estimator.estimate(rows).filter(period="analysis").to_df()["accuracy"]
        below = estimated["alert"] & (estimated["value"] < estimated["lower_threshold"])
        found = {"columns": int((alerts > 0.5).sum()), "performance": bool(below.mean() > 0.5)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
