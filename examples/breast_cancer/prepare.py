"""Make a tabular example from the Wisconsin breast cancer data that scikit-learn carries.

569 tumours, 30 numbers each, benign or malignant. Writes into --output

- `train.parquet`: 200 tumours, for the classifier and the detector;
- `reference.parquet`: 200 others, seen by neither (the reference window);
- `classifier.keras`: a small network that scales its input itself;
- `columns.txt`: the 30 input columns, in the order the classifier takes them;
- `production/{date}/`: five days of 60 tumours from the remaining 169, as they are or changed.

See README.md beside this file for the commands.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

N_TRAIN = 200
N_REFERENCE = 200
ROWS_PER_DAY = 60
SEED = 20


@dataclass(frozen=True)
class Day:
    """One day of production.

    Attributes
    ----------
    date : str
        The batch's date.
    factors : dict of str to float
        What the columns whose name contains the key are multiplied by.
    labelled : bool
        Whether the diagnosis is known yet.
    """

    date: str
    factors: dict[str, float]
    labelled: bool = True


DAYS = (
    Day("2026-11-16", {}),
    Day("2026-11-17", {}, labelled=False),
    # New software adds symmetry up over three axes. The classifier hardly looks at these columns.
    Day("2026-11-18", {"symmetry": 3.0}),
    # A job begins to write centimetres for millimetres.
    Day("2026-11-19", {"radius": 0.1, "perimeter": 0.1, "area": 0.01}),
    Day("2026-11-20", {}),
)


def train_classifier(
    x: NDArray[np.float32], y: NDArray[np.int64], n_classes: int, epochs: int
) -> keras.Model:
    """Return a classifier of rows in their own units, (n, n_features) to (n, n_classes)."""
    keras.utils.set_random_seed(SEED)
    scaling = keras.layers.Normalization()
    scaling.adapt(x)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            scaling,
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(n_classes, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
    return model


def changed(x: NDArray[np.float32], columns: Sequence[str], day: Day) -> NDArray[np.float32]:
    """Return the rows as they arrive on `day`."""
    factors = np.ones(len(columns), np.float32)
    for word, factor in day.factors.items():
        factors[[word in column for column in columns]] = factor
    return x * factors


def write_rows(
    path: Path, x: NDArray[np.float32], columns: Sequence[str], **others: NDArray[np.str_]
) -> None:
    """Write rows, (n, n_features), one Parquet column per feature, after the other columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    features = dict(zip(columns, x.T, strict=True))
    pq.write_table(pa.table({name: pa.array(v) for name, v in (others | features).items()}), path)


def main(words: Sequence[str] | None = None) -> None:
    """Write the Parquet files and the classifier."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default="build/breast_cancer")
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args(words)
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)

    data = load_breast_cancer()
    x, y = data.data.astype(np.float32), data.target
    classes, columns = data.target_names, list(map(str, data.feature_names))
    ids = np.array([f"tumour-{i:03d}" for i in range(len(x))])

    rng = np.random.default_rng(SEED)
    parts = np.split(rng.permutation(len(x)), [N_TRAIN, N_TRAIN + N_REFERENCE])
    train, reference, production = parts
    for name, rows in (("train", train), ("reference", reference)):
        write_rows(output / f"{name}.parquet", x[rows], columns, diagnosis=classes[y[rows]])
    (output / "columns.txt").write_text("\n".join(columns) + "\n", encoding="utf-8")

    classifier = train_classifier(x[train], y[train], len(classes), arguments.epochs)
    classifier.save(output / "classifier.keras")
    for day in DAYS:
        rows = rng.choice(production, ROWS_PER_DAY, replace=False)
        arrived = changed(x[rows], columns, day)
        prediction = classifier.predict(arrived, verbose=0).argmax(axis=1)
        others = {"tumour_id": ids[rows], "prediction": classes[prediction]}
        if day.labelled:
            others["diagnosis"] = classes[y[rows]]
        write_rows(output / "production" / day.date / "part-0.parquet", arrived, columns, **others)
        print(f"{day.date}: accuracy {np.mean(prediction == y[rows]):.3f}")


if __name__ == "__main__":
    main()
