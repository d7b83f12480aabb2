"""A detector for the flat rows of `job.speed_and_memory`.

    python -m benchmarks.job.flat_detector DIRECTORY

A process of its own, so that TensorFlow is in none that is measured.
"""

import argparse
from pathlib import Path

import keras
import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.training.settings import Plan, TrainingSettings
from benchmarks.job.batches import COLUMNS, FLAT_CLASSES, SEED, flat_rows
from drift_monitor.config import DataConfig
from drift_monitor.detectors.fit import ClassifierFile, fit

N_ROWS = 25_000


def main() -> None:
    """Train a classifier and a detector for it, neither of them well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(SEED)
    x, y = flat_rows(N_ROWS, seed=0)
    scaling = keras.layers.Normalization()
    scaling.adapt(x)
    classifier = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            scaling,
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(len(FLAT_CLASSES), activation="softmax"),
        ]
    )
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(x, y, epochs=arguments.epochs, verbose=2)
    classifier.save(directory / "classifier.keras")

    rows = directory / "rows.parquet"
    labels = [FLAT_CLASSES[label] for label in y]
    pq.write_table(pa.table(dict(zip(COLUMNS, x.T.copy(), strict=True)) | {"label": labels}), rows)
    fit(
        ClassifierFile(directory / "classifier.keras", class_names=FLAT_CLASSES),
        DataConfig(path=str(rows), input=COLUMNS, label="label"),
        directory / "flat-detector",
        plan=Plan(training=TrainingSettings(epochs=arguments.epochs)),
        verbose=2,
    )


if __name__ == "__main__":
    main()
