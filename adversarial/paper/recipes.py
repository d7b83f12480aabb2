"""How each of the paper's models is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras

from adversarial.errors import ModelError
from adversarial.paper import networks
from adversarial.paper.datasets import DatasetName
from adversarial.training.augmentation import Augmentation
from adversarial.training.objective import HiddenLayer

N_REFERENCE = 5_000
"""The last training images, which no model sees: they give the threshold and reference window."""


@dataclass(frozen=True)
class Recipe:
    """How one of the paper's classifiers and its detector are trained.

    Attributes
    ----------
    classifier : callable
        Makes the untrained model.
    autoencoder : str
        Name of the architecture, as in `adversarial.models.autoencoders.make_autoencoder`.
    epochs, detector_epochs : int
        Passes over the training images.
    learning_rate : float
        Peak learning rate of a one-cycle schedule: up in a fifth of the steps, then down to zero
        along half a cosine. The optimiser is Adam, or SGD with momentum 0.9 if `sgd`.
    baseline_learning_rate : float
        Learning rate of AE^MSE. At the 1e-3 used for the others, an autoencoder that ends in a
        sigmoid saturates at black within the first epoch.
    label_smoothing : float
        Share of each label that the classifier is trained to give to all classes alike. None does
        it: after 10 epochs of CIFAR-10's simple CNN, 0.1 gives .7276 of the 5,000 held-out images
        and 0 gives .7240, which may be chance.
    hidden_layers : mapping of str to HiddenLayer
        The layers that the paper's AE^KL,HL match, one each, by the name of the column.
    augmentation : Augmentation
        Augmentation of the images, for the classifier and its detector.
    """

    classifier: Callable[[], keras.Model]
    autoencoder: str
    epochs: int
    detector_epochs: int
    learning_rate: float = 2e-3
    sgd: bool = False
    baseline_learning_rate: float = 3e-4
    label_smoothing: float = 0.0
    hidden_layers: Mapping[str, HiddenLayer] = field(default_factory=dict)
    augmentation: Augmentation = field(kw_only=True)


CNN_HIDDEN_LAYERS = {
    "HL1": HiddenLayer("block1_pool", 50),
    "HL2": HiddenLayer("block2_conv1", 40),
    "HL3": HiddenLayer("block2_dropout", 40),
    "HL4": HiddenLayer("flatten", 10),
}
"""Of the simple CNN, for the paper's Table 5."""
RESNET56_HIDDEN_LAYERS = {
    "HL1": HiddenLayer("stage3_block1_second_normalization", 20),
    "HL2": HiddenLayer("stage3_block4_first_relu", 20),
    "HL3": HiddenLayer("stage3_block7_first_normalization", 20),
    "HL4": HiddenLayer("global_average_pooling2d", 20),
}
"""For the paper's Table 6, which numbers them 140, 160, 180 and 200.

The ResNet-56 in its authors' library, alibi-detect, has two layers more before these, as its first
stage has a convolution in its first shortcut too; there, 200 is the average over each channel.
"""

RECIPES: dict[tuple[DatasetName, str], Recipe] = {
    ("mnist", "cnn"): Recipe(
        networks.mnist_classifier,
        "image",
        epochs=20,
        detector_epochs=15,
        augmentation=Augmentation(shift=1),
    ),
    ("fashion_mnist", "cnn"): Recipe(
        networks.fashion_mnist_classifier,
        "image",
        epochs=60,
        detector_epochs=30,
        augmentation=Augmentation(shift=1, flip=True),
    ),
    ("cifar10", "cnn"): Recipe(
        networks.cifar10_classifier,
        "cifar10",
        epochs=120,
        detector_epochs=50,
        baseline_learning_rate=1e-3,
        hidden_layers=CNN_HIDDEN_LAYERS,
        augmentation=Augmentation(shift=2, flip=True),
    ),
    ("cifar10", "resnet56"): Recipe(
        networks.cifar10_resnet,
        "cifar10",
        epochs=70,
        detector_epochs=50,
        learning_rate=0.1,
        sgd=True,
        baseline_learning_rate=1e-3,
        hidden_layers=RESNET56_HIDDEN_LAYERS,
        augmentation=Augmentation(shift=4, flip=True),
    ),
}


def find_recipe(dataset: DatasetName, model: str) -> Recipe:
    """Return the recipe of a data set's model.

    Raises
    ------
    ModelError
        If the paper has no such model for this data set.
    """
    try:
        return RECIPES[dataset, model]
    except KeyError:
        known = ", ".join(name for of, name in RECIPES if of == dataset)
        raise ModelError(f"no model {model!r} for {dataset}: expected {known}") from None
