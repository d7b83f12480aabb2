"""Parts of the project that are installed on demand."""

from importlib.util import find_spec

from adversarial.errors import MissingExtraError

TRAINING = ("tensorflow", "keras")
"""What the extra `train` installs, and only models need."""


def is_training_installed() -> bool:
    """Say whether models can be loaded here."""
    return all(find_spec(name) for name in TRAINING)


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
