"""The command `adversarial train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from adversarial.cli.echo import echo

if TYPE_CHECKING:
    from adversarial.training.objective import HiddenLayer


def train(  # noqa: PLR0913  # a parameter is an option of the command
    dataset: Annotated[
        Literal["mnist", "fashion_mnist", "cifar10"], typer.Option(help="Data set.")
    ],
    model: Annotated[
        str, typer.Option(help="Classifier of the paper: cnn or, of CIFAR-10, resnet56.")
    ] = "cnn",
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the data set's files, Parquet in the Hugging Face layout or IDX; "
            "Debian's Fashion-MNIST or a download when not given."
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Where models are kept; ~/.cache/drift-monitor when not given."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the detector's bundle.")] = "detector",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the classifier; the recipe's when not given.")
    ] = None,
    detector_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the autoencoder; the recipe's when not given.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature of the target; below 1 sharpens it.")
    ] = 1.0,
    hidden_layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:DIMENSION[:WEIGHT]]",
            help="Layer of the classifier to match too, as dense:20:1, or one of the paper's for "
            "CIFAR-10: HL1 to HL4. Repeatable.",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="Train for reconstruction alone: the paper's AE^MSE."),
    ] = False,
    earlier: Annotated[
        int,
        typer.Option(
            min=0,
            help="Also keep the detector of this many epochs before the end, as NAME-earlier: an "
            "attack on the one may not carry over to the other.",
        ),
    ] = 0,
    fpr: Annotated[float, typer.Option(help="Share of normal rows to flag.")] = 0.05,
    autoencoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="auto, the paper's; image, dense, cifar10, or a .keras file with one of your own.",
        ),
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Of the autoencoder's weights, shuffling and augmentation.")
    ] = 0,
    classifier_seed: Annotated[int, typer.Option(min=0, help="The same of the classifier's.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run left off.")
    ] = False,
) -> None:
    """Train a classifier of the paper, unless it has been, and its detector."""
    from adversarial.extras import require_keras

    require_keras("adversarial train")
    from adversarial.bundle.threshold import check_fpr
    from adversarial.bundle.write import check_replaceable
    from adversarial.files import cache_directory
    from adversarial.paper.datasets import load_dataset
    from adversarial.paper.recipes import N_REFERENCE, find_recipe
    from adversarial.paper.train import detector_outputs, train_classifier, train_detector
    from adversarial.training.objective import Objective
    from adversarial.training.settings import Plan, TrainingSettings

    # What is wrong with the detector's options should not come to light after the classifier.
    recipe = find_recipe(dataset, model)
    check_fpr(fpr, N_REFERENCE)
    plan = Plan(
        autoencoders=(autoencoder,),
        training=TrainingSettings(
            objective=Objective(
                kl=0.0 if baseline else 1.0,
                mse=1.0 if baseline else 0.0,
                temperature=temperature,
                hidden=[
                    recipe.hidden_layers.get(text) or parse_hidden_layer(text)
                    for text in hidden_layer or ()
                ],
            ),
            epochs=detector_epochs or recipe.detector_epochs,
            learning_rate=(
                recipe.baseline_learning_rate if baseline else TrainingSettings.learning_rate
            ),
            schedule="cosine",
            augmentation=recipe.augmentation,
            snapshots=1 + earlier,
            seed=seed,
        ),
    )
    directory = (cache_dir or cache_directory()) / f"{dataset}-{model}"
    for output in detector_outputs(directory / name, plan):
        check_replaceable(output)
    data = load_dataset(dataset, data_dir)
    verbose = 1 if sys.stdout.isatty() else 2
    classifier = train_classifier(
        data,
        model,
        directory,
        epochs=epochs,
        seed=classifier_seed,
        resume=resume,
        verbose=verbose,
    )
    accuracy = classifier.summary["accuracy"]
    echo(f"{directory / 'classifier.keras'}: test accuracy {accuracy:.2%}")
    detector = train_detector(
        data,
        model,
        classifier,
        directory / name,
        plan,
        fpr=fpr,
        resume=resume,
        verbose=verbose,
    )
    corrected = detector.provenance.training["corrected_accuracy"]
    echo(f"{directory / name}: test accuracy on reconstructions {corrected:.2%}")


def parse_hidden_layer(text: str) -> "HiddenLayer":
    """Return what `--hidden-layer` NAME[:DIMENSION[:WEIGHT]] means."""
    from adversarial.training.objective import HiddenLayer

    name, *rest = text.split(":")
    try:
        kinds = (int, float)[: len(rest)]
        numbers: list[Any] = [kind(part) for kind, part in zip(kinds, rest, strict=True)]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a layer such as dense:20:0.5", param_hint="--hidden-layer"
        ) from None
    return HiddenLayer(name, *numbers)
