"""The study's classifiers: their rows, how each is trained, and its detector.

    python -m studies.verdicts.classifiers --data-dir DIR [--classifier NAME …] [--recalibrate]

DIR contains `fashion_mnist` and `cifar10`. What is finished is not made again. Each has a directory
build/verdicts/<name>/:

- `train.parquet`, `reference.parquet`, `production.parquet`, and `later.parquet` of the published
  tables: inputs (`image`, uint8 tensors; or float32 columns) and `label`, the class by name. No row
  is in two of them; `later` is what really came after the reference period, in order;
- `detector_train.parquet`: the first rows of `train.parquet`, on which the detector is trained;
- `classifier.keras`: takes pixels in [0, 1] or the columns in their units, gives probabilities;
- `detector/`: the bundle, made by `drift_monitor.detectors.fit.fit` with labels;
- `rows.json`: class names and columns.

`--recalibrate` makes threshold and accuracy estimator of finished detectors again, without
training; where the bundles cannot be read any more, delete `detector/` and train them again.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.config import DataConfig
from drift_monitor.detectors.fit import ClassifierFile, fit
from drift_monitor.detectors.reference import renew_reference

from .data import images, shipped, tabular
from .data.rows import IMAGE, LABEL, Inputs, Rows, Source, read_rows, write_rows
from .networks import convolutional, dense, pair

SCRATCH = Path("build/verdicts")
PARTS = ("train", "reference", "production", "later")


@dataclass(frozen=True)
class Recipe:
    """How a classifier and its detector are made.

    Attributes
    ----------
    rows : callable
        From the data directory to the rows.
    network : callable
        From training inputs and the number of classes to the untrained classifier.
    epochs, detector_epochs : int
        Passes over the training rows.
    detector_rows : int
        Training rows that the detector sees.
    batch : int
        Rows of a batch.
    """

    rows: Callable[[Path], Source]
    network: Callable[[Inputs, int], keras.Model]
    epochs: int = 8
    detector_rows: int = 20_000
    detector_epochs: int = 8
    batch: int = 5_000


def _table(
    n_columns: int,
    class_names: tuple[str, ...],
    reference: int = 5_000,
    positive: float | None = None,
    bayes: float = 0.98,
) -> Callable[[Path], Source]:
    sizes = (50_000, reference, 20_000)
    return lambda _: tabular.table(n_columns, class_names, sizes, bayes=bayes, positive=positive)


RECIPES: dict[str, Recipe] = {
    "tabular_6": Recipe(_table(6, ("leaves", "stays")), dense),
    "tabular_30": Recipe(_table(30, ("low", "middle", "high")), dense),
    "fashion_mnist": Recipe(
        lambda data_dir: images.published("fashion_mnist", data_dir, 30_000, 20_000),
        convolutional,
        epochs=5,
        detector_rows=10_000,
        detector_epochs=4,
    ),
    "census": Recipe(lambda _: shipped.census(45_000), dense),
    "enlarged_64": Recipe(
        lambda data_dir: images.enlarged(data_dir, 16_000, 8_000),
        partial(convolutional, first_stride=2),
        epochs=6,
        detector_rows=4_000,
        detector_epochs=3,
        batch=2_000,
    ),
    "pairs_100": Recipe(
        lambda data_dir: images.pairs(data_dir, 20_000, 10_000),
        pair,
        epochs=5,
        detector_rows=6_000,
        detector_epochs=4,
        batch=2_000,
    ),
    "imbalanced": Recipe(_table(12, ("honest", "fraud"), positive=0.15), dense),
    "few_reference": Recipe(_table(10, ("low", "middle", "high"), reference=300), dense),
    "tabular_500": Recipe(
        _table(500, ("declined", "granted"), bayes=0.99), partial(dense, width=16), epochs=4
    ),
    "car_loan": Recipe(lambda _: shipped.car_loan(25_000), dense),
    "credit_cards": Recipe(lambda _: shipped.credit_cards(30_000), dense),
    "cifar10": Recipe(
        lambda data_dir: images.published("cifar10", data_dir, 30_000, 10_000),
        convolutional,
        epochs=6,
        detector_rows=8_000,
        detector_epochs=5,
        batch=2_000,
    ),
}
"""The classifiers, the most telling first."""


@dataclass(frozen=True)
class Prepared:
    """A trained classifier, its detector and its rows.

    Attributes
    ----------
    name : str
        Of the classifier.
    class_names, columns : tuple of str
        As in `Source`.
    directory : Path
        Where its files are.
    batch : int
        Rows of a batch.
    """

    name: str
    class_names: tuple[str, ...]
    columns: tuple[str, ...]
    directory: Path
    batch: int

    @property
    def classifier(self) -> Path:
        """The classifier's file."""
        return self.directory / "classifier.keras"

    @property
    def detector(self) -> Path:
        """The detector's bundle."""
        return self.directory / "detector"

    @cached_property
    def reference(self) -> Rows:
        """The reference rows; pixels in [0, 1]."""
        return self.part("reference")

    @cached_property
    def production(self) -> Rows:
        """Rows like the reference's, to draw batches from."""
        return self.part("production")

    @cached_property
    def later(self) -> Rows | None:
        """What really came after the reference, in order, or None."""
        return self.part("later") if (self.directory / "later.parquet").exists() else None

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """M(x) of the production rows, (n, n_classes)."""
        model = keras.models.load_model(self.classifier)
        return np.asarray(model.predict(self.production.x, batch_size=512, verbose=0))

    def part(self, name: str) -> Rows:
        """Return one of the files in memory."""
        return read_rows(self.directory / f"{name}.parquet", self.columns, self.class_names)


def load(name: str, data_dir: Path, scratch: Path = SCRATCH) -> Prepared:
    """Return a classifier; what is missing of it is made first, which takes minutes.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    data_dir : Path
        Directory with `fashion_mnist` and `cifar10`; not read where the rows exist.
    scratch : Path
        Where everything is kept.
    """
    recipe, directory = RECIPES[name], scratch / name
    described = directory / "rows.json"
    if not described.exists():
        directory.mkdir(parents=True, exist_ok=True)
        source = recipe.rows(data_dir)
        for part in PARTS:
            rows: Rows | None = getattr(source, part)
            if rows is not None:
                write_rows(directory / f"{part}.parquet", rows, source.columns, source.class_names)
        first = source.train.take(slice(0, recipe.detector_rows))
        path = directory / "detector_train.parquet"
        write_rows(path, first, source.columns, source.class_names)
        names = {"class_names": source.class_names, "columns": source.columns}
        described.write_text(json.dumps(names) + "\n", encoding="utf-8")
    names = json.loads(described.read_text(encoding="utf-8"))
    prepared = Prepared(
        name, tuple(names["class_names"]), tuple(names["columns"]), directory, recipe.batch
    )
    if not prepared.classifier.exists():
        _train_classifier(prepared, recipe)
    if not prepared.detector.exists():
        _train_detector(prepared, recipe)
    return prepared


def _train_classifier(prepared: Prepared, recipe: Recipe) -> None:
    started = time.monotonic()
    train = prepared.part("train")
    keras.utils.set_random_seed(0)
    model = recipe.network(train.x, len(prepared.class_names))
    steps = recipe.epochs * -(-len(train) // 128)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(train.x, train.y, batch_size=128, epochs=recipe.epochs, verbose=0)
    reference = prepared.reference
    accuracy = model.evaluate(reference.x, reference.y, batch_size=512, verbose=0)[1]
    model.save(prepared.classifier)
    print(
        f"{prepared.name}: accuracy {accuracy:.3f} on the reference, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )


def _train_detector(prepared: Prepared, recipe: Recipe) -> None:
    started = time.monotonic()
    fit(
        ClassifierFile(prepared.classifier, class_names=prepared.class_names),
        _data(prepared, "detector_train"),
        prepared.detector,
        reference_data=str(prepared.directory / "reference.parquet"),
        plan=Plan(training=TrainingSettings(epochs=recipe.detector_epochs, schedule="cosine")),
        resume=True,
        verbose=2,
    )
    print(f"{prepared.name}: detector, {time.monotonic() - started:.0f} s", flush=True)


def recalibrate(prepared: Prepared) -> None:
    """Make again what a detector takes from the reference rows."""
    renew_reference(prepared.detector, _data(prepared, "reference"))


def _data(prepared: Prepared, part: str) -> DataConfig:
    path = str(prepared.directory / f"{part}.parquet")
    return DataConfig(path=path, input=list(prepared.columns) or IMAGE, label=LABEL)


def main() -> None:
    """Make the classifiers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--classifier", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--recalibrate", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.classifier:
        finished = (SCRATCH / name / "detector").exists()
        prepared = load(name, arguments.data_dir)
        if arguments.recalibrate and finished:
            recalibrate(prepared)


if __name__ == "__main__":
    main()
