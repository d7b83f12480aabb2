"""Parts of the project that are installed on demand."""

import os
from importlib.util import find_spec

from adversarial.errors import MissingExtraError

TRAINING = ("tensorflow", "keras")
"""What the extra `train` installs, and only models need."""


def is_training_installed() -> bool:
    """Say whether models can be loaded here."""
    return all(find_spec(name) for name in TRAINING)


def require_keras(what: str) -> None:
    """Raise MissingExtraError unless Keras and its backend, which need not be TensorFlow, are here.

    Parameters
    ----------
    what : str
        What needs them, as the beginning of a sentence.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend == "tensorflow":
        require_training(what)
    elif not (find_spec("keras") and find_spec(backend)):
        raise MissingExtraError(
            f"{what} needs Keras and, as KERAS_BACKEND says, {backend}, which are not both "
            f"installed here: pip install keras {backend}"
        )


def require_signing(what: str) -> None:
    """Raise MissingExtraError unless signatures can be verified here; `what` as above."""
    if find_spec("cryptography") is None:
        raise MissingExtraError(
            f"{what} needs the package cryptography, which is not installed here: "
            "pip install 'drift-monitor[signing]'"
        )


def require_training(what: str) -> None:
    """Raise MissingExtraError unless models can be loaded here.

    Parameters
    ----------
    what : str
        What needs them, as the beginning of a sentence.
    """
    if not is_training_installed():
        raise MissingExtraError(
            f"{what} needs TensorFlow and Keras, which are not installed here: "
            "pip install 'drift-monitor[train]'"
        )
