"""A detector of the three kinds of small images, fitted in seconds."""

from pathlib import Path

import numpy as np

from tests.support.animals import CLASSES, SIDE, make_images, write_batch


def save_classifier(path: Path) -> Path:
    """Train a classifier to about 100 % and save it."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu", name="hidden"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    images, labels = make_images(600, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[..., None] / np.float32(255), labels, epochs=12, verbose=0)
    model.save(path)
    return path


def fit_detector(classifier: Path, directory: Path) -> Path:
    """Fit a bundle to `directory/detector` through the public function."""
    from adversarial.training.settings import Plan, TrainingSettings
    from drift_monitor.config import DataConfig
    from drift_monitor.detectors.fit import ClassifierFile, fit

    images, labels = make_images(800, seed=1)
    data = write_batch(directory / "train.parquet", images, labels)
    return fit(
        ClassifierFile(classifier, class_names=CLASSES),
        DataConfig(path=str(data), input="image", label="label", segments=["site"]),
        directory / "detector",
        plan=Plan(training=TrainingSettings(epochs=3, precision="float32")),
        verbose=0,
    )
