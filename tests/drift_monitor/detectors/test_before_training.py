"""What `fit` finds out before it trains: files, units, and whether the classifier fits the rows."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from adversarial.errors import ModelError
from drift_monitor.batches.batch import Chunk
from drift_monitor.config import DataConfig
from drift_monitor.detectors.first_look import Labelled, best_order, look
from drift_monitor.detectors.value_range import choose_value_range, in_range
from tests.support.animals import CLASSES, make_images, write_batch

IMAGES, CLASS = make_images(300, seed=2)
X = np.asarray(IMAGES[..., None] / np.float32(255), np.float32)
UNLABELLED = np.full(len(X), -1)
RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]


@pytest.fixture(scope="module")
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file, compile=False)


def taking(classifier: keras.Model, low: float, high: float, kind: str) -> keras.Model:
    """Return the classifier as one of values in another range."""
    scale, offset = 1 / (high - low), -low / (high - low)
    layers: dict[str, Any] = {
        "rescaling": keras.layers.Rescaling(scale, offset),
        "hidden": keras.layers.Lambda(lambda x: x * scale + offset),
        "normalization": keras.layers.Normalization(mean=low, variance=(high - low) ** 2),
    }
    return keras.Sequential([keras.Input((8, 8, 1)), layers[kind], classifier])


@pytest.mark.parametrize("kind", ["rescaling", "hidden", "normalization"])
@pytest.mark.parametrize("value_range", RANGES)
def test_with_labels_the_range_of_the_classifier_is_found_whatever_scales_its_input(
    classifier: keras.Model,
    value_range: tuple[float, float],
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    model = taking(classifier, *value_range, kind)
    assert choose_value_range(model, X, CLASS, is_bytes=True) == value_range
    assert f"Bytes become values of [{value_range[0]:g}, {value_range[1]:g}]" in caplog.text
    assert "--value-range overrides it" in caplog.text
    assert "[0, 255]: confidence" in caplog.text


@pytest.mark.parametrize("value_range", RANGES)
def test_classes_in_another_order_do_not_change_the_range(
    classifier: keras.Model, value_range: tuple[float, float]
) -> None:
    model = taking(classifier, *value_range, "rescaling")
    assert choose_value_range(model, X, (CLASS + 1) % 3, is_bytes=True) == value_range


@pytest.mark.parametrize(
    ("value_range", "kind"),
    [(RANGES[0], "hidden"), (RANGES[0], "rescaling"), (RANGES[2], "rescaling")],
)
def test_without_labels_the_first_layer_decides_or_it_is_the_unit_range(
    classifier: keras.Model, value_range: tuple[float, float], kind: str
) -> None:
    model = taking(classifier, *value_range, kind)
    assert choose_value_range(model, X, UNLABELLED, is_bytes=True) == value_range


def test_without_labels_a_normalization_says_what_it_expects(classifier: keras.Model) -> None:
    layer = keras.layers.Normalization(mean=255 * X.mean(), variance=(255 * X.std()) ** 2)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.RandomFlip(), layer, classifier])
    assert choose_value_range(model, X, UNLABELLED, is_bytes=True) == (0.0, 255.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, (0, 1)), (-1, 1, (-1, 1)), (0, 255, (0, 255)), (-2.1, 2.6, (-3, 3)), (0, 1.2, (0, 2))],
)
def test_values_that_are_no_bytes_say_themselves_in_which_range_they_are(
    classifier: keras.Model, low: float, high: float, expected: tuple[float, float]
) -> None:
    x = np.linspace(low, high, 64 * 3, dtype=np.float32).reshape(3, 8, 8, 1)
    assert choose_value_range(classifier, x, UNLABELLED[:3], is_bytes=False) == expected
    assert choose_value_range(classifier, x.reshape(3, 64), CLASS[:3], is_bytes=False) == (0, 1)


@pytest.mark.parametrize("value_range", RANGES)
def test_rows_in_the_range_that_was_chosen_are_those_that_monitors_read(
    value_range: tuple[float, float],
) -> None:
    low, high = value_range
    pixels = IMAGES[..., None].astype(np.float32)
    decoded = np.multiply(pixels, (high - low) / 255, dtype=np.float32) + np.float32(low)
    unit = np.multiply(pixels, 1 / 255, dtype=np.float32)
    assert np.array_equal(in_range(unit, value_range), decoded)


def rows(y: np.ndarray = CLASS, **changes: Any) -> Labelled:
    chunk = Chunk("a", np.arange(len(X)), X, pa.table({"label": y}))
    fields: dict[str, Any] = {"x": X, "y": y, "class_names": CLASSES, "label": "label"}
    fields |= {"value_range": (0.0, 1.0), "is_bytes": True, "chunks": [chunk]}
    return Labelled(**(fields | changes))


def test_accuracy_confidence_and_largest_class_are_said(
    classifier: keras.Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    look(classifier, rows())
    assert "accuracy 100.0% on 300 labelled reference rows" in caplog.text
    assert "mean confidence" in caplog.text
    assert "largest class" in caplog.text
    look(classifier, rows(UNLABELLED))
    assert "Without labels its accuracy is not known" in caplog.text


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        (rows((CLASS + 1) % 3), "--class-names dog,owl,cat accuracy would be 100.0%"),
        (rows(np.zeros_like(CLASS)), "every row has the same label, 'cat'"),
        (
            rows(x=X * 2 - 1, value_range=(-1.0, 1.0)),
            "--value-range 0 1 accuracy would be 100.0% (now [-1, 1])",
        ),
        (
            rows(x=X * 2 - 1, is_bytes=False),
            "rows mapped from [-1, 1] to [0, 1] accuracy would be 100.0%",
        ),
        (rows(np.random.default_rng(0).integers(0, 3, 300)), "check that the label column"),
    ],
    ids=["order", "constant", "range", "units", "shuffled"],
)
def test_a_classifier_that_does_not_fit_the_rows_is_refused_with_the_cause_unless_forced(
    classifier: keras.Model, changed: Labelled, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelError, match="does not fit the rows: accuracy") as refused:
        look(classifier, changed)
    assert cause in str(refused.value)
    assert "--force goes on all the same" in str(refused.value)
    look(classifier, changed, force=True)
    assert cause in caplog.text


@pytest.mark.parametrize("y", [CLASS, UNLABELLED], ids=["labelled", "unlabelled"])
def test_a_classifier_that_answers_all_rows_alike_is_refused(y: NDArray[np.int64]) -> None:
    output = keras.layers.Dense(3, "softmax", kernel_initializer="zeros")
    untrained = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), output])
    with pytest.raises(ModelError, match=r"answers all reference rows alike, with 'cat' at 33\.3%"):
        look(untrained, rows(y))
    look(untrained, rows(y), force=True)


def test_labels_that_are_ids_are_named() -> None:
    n = 3 * len(X)
    table = pa.table({"label": np.arange(n)})
    layers = [keras.layers.Flatten(), keras.layers.Rescaling(100), keras.layers.Dense(n, "softmax")]
    sure = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    changed = rows(
        np.arange(len(X)),
        class_names=[str(i) for i in range(n)],
        chunks=[Chunk("a", np.arange(n), X, table)],
    )
    with pytest.raises(ModelError, match="column 'label' has 900 different values in 900 rows"):
        look(sure, changed)


def test_an_order_that_fits_by_chance_is_none() -> None:
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 100, (2, 100))
    assert best_order(y, predicted, 100)[1] < 0.1


def test_the_best_order_says_which_label_each_output_is() -> None:
    y = np.arange(400) % 4
    order, accuracy = best_order(y, np.array([2, 0, 3, 1])[y], 4)
    assert (order.tolist(), accuracy) == ([1, 3, 0, 2], 1.0)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--data", "nowhere.parquet", "nowhere.parquet not found"),
        ("--classifier", "nowhere.keras", "nowhere.keras not found"),
        ("--input", "picture", "has no column 'picture'"),
        ("--label", "truth", "has no column 'truth'"),
        ("--class-names", "cat,cat,owl", "several classes have the name 'cat'"),
    ],
)
def test_what_is_missing_is_found_before_tensorflow_is_loaded(
    classifier_file: Path, tmp_path: Path, option: str, value: str, message: str
) -> None:
    data = write_batch(tmp_path / "rows.parquet", *make_images(100, seed=1))
    options = {"--classifier": str(classifier_file), "--data": str(data), "--output": "d"}
    words = [word for pair in (options | {option: value}).items() for word in pair]
    code = (
        "import sys; from drift_monitor.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'keras', 'tensorflow', 'scipy.stats'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, "fit", *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 1
    assert message in found.stderr
    assert found.stdout == "[]\n"


def test_the_first_file_says_whether_rows_are_bytes(tmp_path: Path) -> None:
    from drift_monitor.detectors.value_range import holds_bytes
    from tests.support.batches import tensor_column

    def holds(column: pa.Array) -> bool:
        path = tmp_path / "rows.parquet"
        pa.parquet.write_table(pa.table({"x": column}), path)
        return holds_bytes(DataConfig(path=str(path), input="x"))

    assert holds(tensor_column(IMAGES[:3]))
    assert not holds(tensor_column(X[:3]))
    assert holds(pa.array([b"png"]))
    assert holds(pa.array([[1, 2]], pa.list_(pa.uint8(), 2)))
    assert not holds(pa.array([0.5]))
