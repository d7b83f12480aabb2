"""The paper's classifiers and detectors (Appendix A), each trained and kept under its name."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.guard import take_sample
from adversarial.detector.provenance import Provenance
from adversarial.errors import ModelError
from adversarial.files import arrays_digest, write_json
from adversarial.models.classifiers import load_model
from adversarial.models.compilation import compiles_with_xla
from adversarial.paper.datasets import Dataset, scale
from adversarial.paper.recipes import N_REFERENCE, find_recipe
from adversarial.training.checkpoints import Batches, Checkpoints, checkpoint_dir, fit
from adversarial.training.members import train_members
from adversarial.training.mixed_precision import bfloat16_is_fast, mixed_copy
from adversarial.training.settings import Plan, TrainingSettings


class TrainedClassifier(NamedTuple):
    """One of the paper's classifiers.

    Attributes
    ----------
    model : keras.Model
        Maps images in [0, 1] to probabilities.
    summary : dict
        Accuracy on test images and on the reference window, epochs, precision, seed, seconds and
        the data's source.
    """

    model: keras.Model
    summary: dict[str, Any]


def train_classifier(
    dataset: Dataset,
    model: str,
    directory: Path,
    *,
    epochs: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
    resume: bool = False,
    verbose: int | str = "auto",
) -> TrainedClassifier:
    """Train one of the paper's classifiers, or load it if it was trained this way before.

    The passes of the training run in bfloat16 where the hardware is fast at it; the weights and the
    accuracy, like everything made with the model, are float32.

    Parameters
    ----------
    dataset : Dataset
        All training images but the last 5,000 are used.
    model : str
        "cnn" or, for CIFAR-10, "resnet56".
    directory : Path
        Where `classifier.keras` and its summary `classifier.json` are kept.
    epochs : int, optional
        The recipe's when not given.
    batch_size : int
        Images per step.
    seed : int
        Seed of the weights, the shuffling and the augmentation.
    resume : bool
        Continue from the checkpoint that a killed run left in `directory`.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    TrainedClassifier
        The model, in float32, and the summary.
    """
    recipe = find_recipe(dataset.name, model)
    if len(dataset.x_train) <= N_REFERENCE:
        raise ModelError(
            f"{dataset.source} has {len(dataset.x_train):,} training images: expected more than "
            f"the {N_REFERENCE:,} that are held out as the reference window"
        )
    epochs = epochs or recipe.epochs
    settings = {
        "dataset": dataset.name,
        "model": model,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": recipe.learning_rate,
        "label_smoothing": recipe.label_smoothing,
        "precision": "bfloat16" if bfloat16_is_fast() else "float32",
        "seed": seed,
        "data": arrays_digest(dataset.x_train, dataset.y_train),
    }
    saved, summary_file = directory / "classifier.keras", directory / "classifier.json"
    if saved.exists() and summary_file.exists():
        summary = json.loads(summary_file.read_text(encoding="utf-8"))
        # Whichever precision it was trained in, on whichever machine, it is the one asked for.
        if summary.items() >= (settings | {"precision": summary.get("precision")}).items():
            return TrainedClassifier(load_model(saved), summary)

    x, x_held_out = np.split(scale(dataset.x_train), [-N_REFERENCE])
    n_classes = len(dataset.class_names)
    y, y_held_out = np.split(np.eye(n_classes, dtype=np.float32)[dataset.y_train], [-N_REFERENCE])
    y = (1 - recipe.label_smoothing) * y + recipe.label_smoothing / n_classes
    keras.utils.set_random_seed(seed)
    classifier = recipe.classifier()
    trained = mixed_copy(classifier) if settings["precision"] == "bfloat16" else classifier
    batches = Batches(x, y, batch_size, seed, recipe.augmentation)
    steps = epochs * batches.steps
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 25,
        decay_steps=steps - steps // 5,
        warmup_target=recipe.learning_rate,
        warmup_steps=steps // 5,
    )
    optimizer = (
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)
        if recipe.sgd
        else keras.optimizers.Adam(schedule)
    )
    trained.compile(
        optimizer,
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=compiles_with_xla(),
    )
    checkpoints = Checkpoints(directory / "classifier.training", settings, resume=resume)
    history = fit(
        trained,
        batches,
        checkpoints,
        epochs=epochs,
        validation=(x_held_out, y_held_out),
        verbose=verbose,
    )
    classifier.set_weights(trained.get_weights())

    def accuracy(x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
        predicted = classifier.predict(x, batch_size=500, verbose=0).argmax(axis=1)
        return float(np.mean(predicted == y))

    summary = settings | {
        "accuracy": accuracy(scale(dataset.x_test), dataset.y_test),
        "held_out_accuracy": accuracy(x_held_out, dataset.y_train[-N_REFERENCE:]),
        "source": dataset.source,
        "seconds": round(sum(history["seconds"]), 1),
    }
    classifier.save(saved)
    write_json(summary_file, summary)
    checkpoints.remove()
    return TrainedClassifier(classifier, summary)


def train_detector(
    dataset: Dataset,
    model: str,
    classifier: TrainedClassifier,
    output: Path,
    plan: Plan | None = None,
    *,
    fpr: float = 0.05,
    resume: bool = False,
    verbose: int | str = "auto",
) -> AdversarialDetector:
    """Train the detector of one of the paper's classifiers and write its bundle.

    Parameters
    ----------
    dataset, model
        As in `train_classifier`. The last 5,000 training images are the reference window.
    classifier : TrainedClassifier
        From `train_classifier`. Its summary is kept in the bundle, beside the detector's own.
    output : Path
        Directory of the bundle. Checkpoints are kept in `<output>.training` until it is written.
    plan : Plan, optional
        How to train; with the recipe's epochs when not given. Its "auto" autoencoder is the
        recipe's. If there are several snapshots, the last is the detector, and the first is written
        too, as `<output>-earlier`: section 4.3 of the paper attacks the one and defends with the
        other.
    fpr : float
        ε_FPR of the threshold.
    resume : bool
        Continue from the checkpoints that a killed run left in `<output>.training`.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    AdversarialDetector
        The summary in its provenance holds `corrected_accuracy`, the share of clean test images
        whose M(AE(x)) is the true class.
    """
    recipe = find_recipe(dataset.name, model)
    plan = plan or Plan(
        training=TrainingSettings(
            epochs=recipe.detector_epochs, schedule="cosine", augmentation=recipe.augmentation
        )
    )
    outputs = detector_outputs(output, plan)
    named = [recipe.autoencoder if name == "auto" else name for name in plan.autoencoders]
    started = time.monotonic()
    checkpoints = checkpoint_dir(output)
    members = train_members(
        classifier.model,
        scale(dataset.x_train[:-N_REFERENCE]),
        replace(plan, autoencoders=named),
        checkpoints,
        resume=resume,
        verbose=verbose,
    )
    seconds = round(time.monotonic() - started, 1)
    x_test = scale(dataset.x_test)
    x_reference = scale(dataset.x_train[-N_REFERENCE:])
    labels = pa.array(dataset.class_names).take(pa.array(dataset.y_train[-N_REFERENCE:]))

    def save(epochs_before: int, path: Path) -> AdversarialDetector:
        detector = AdversarialDetector(
            classifier.model,
            members.autoencoders[epochs_before],
            class_names=dataset.class_names,
        )
        window = detector.predict(x_reference).to_table(dataset.class_names)
        corrected = detector.predict(x_test).reconstruction_prediction
        summary = members.summary | {
            "epochs": plan.training.epochs - epochs_before,
            "reference_rows": N_REFERENCE,
            "corrected_accuracy": float(np.mean(corrected == dataset.y_test)),
            "seconds": seconds,
            "classifier": classifier.summary,
        }
        detector = detector.replace(
            calibration=replace(
                Calibration.from_window(window.append_column("label", labels), fpr),
                runtime_sample=take_sample(detector, x_reference),
            ),
            provenance=Provenance(members.temperature, summary),
        )
        detector.save(path)
        return detector

    if len(outputs) > 1:
        save(plan.training.snapshots - 1, outputs[1])
    detector = save(0, output)
    shutil.rmtree(checkpoints)
    return detector


def detector_outputs(output: Path, plan: Plan) -> list[Path]:
    """Return the bundles that `train_detector` writes: the detector, and an earlier one beside it.

    Raises
    ------
    ModelError
        If the plan has several runs, whose snapshots would be an ensemble.
    """
    if len(plan.autoencoders) != 1:
        raise ModelError("the paper's detectors have one autoencoder: give a plan with one")
    return [
        output,
        *([output.with_name(f"{output.name}-earlier")] if plan.training.snapshots > 1 else []),
    ]
