"""NannyML's CBPE for the benchmark of estimated accuracy; runs in an environment of its own.

Prints one estimate for each batch, as a JSON list.
"""

import argparse
import json

import pandas as pd
from nannyml import CBPE  # type: ignore[import-not-found]


def main() -> None:
    """Fit CBPE on the reference and estimate each batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", help="Parquet: p0, p1, …, prediction, label")
    parser.add_argument("current", help="Parquet of the batches, one after the other")
    parser.add_argument("size", type=int, help="rows of each batch")
    arguments = parser.parse_args()

    reference, current = map(pd.read_parquet, (arguments.reference, arguments.current))
    classes = sorted(reference["label"].unique())
    several = len(classes) > 2
    if not several:
        for frame in (reference, current):
            for column in ("prediction", "label"):
                frame[column] = (frame[column] == classes[1]).astype(int)
    estimator = CBPE(
        problem_type="classification_multiclass" if several else "classification_binary",
        y_pred_proba={label: f"p{label}" for label in classes} if several else f"p{classes[1]}",
        y_pred="prediction",
        y_true="label",
        metrics=["accuracy"],
        chunk_size=arguments.size,
    )
    estimator.fit(reference)
    result = estimator.estimate(current).filter(period="analysis").to_df()
    print(json.dumps(result["accuracy", "value"].tolist()))


if __name__ == "__main__":
    main()
