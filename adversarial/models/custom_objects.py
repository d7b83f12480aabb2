"""Classes and functions that a model file needs beyond Keras's own."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import keras

from adversarial.bundle.trust import check_opt_in
from adversarial.errors import ModelError


def custom_objects(trust: Sequence[str]) -> dict[str, Any]:
    """Import the classes and functions that `trust` names, by every name that a model file may use.

    Raises
    ------
    ModelError
        If a name does not have the form of an opt-in, or cannot be imported.
    """
    result: dict[str, Any] = {}
    for opt_in in map(check_opt_in, trust):
        module, _, name = opt_in.partition(":")
        if not name:
            continue
        try:
            thing = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ModelError(
                f"the opt-in {opt_in} cannot be imported ({error}): correct the name, or install "
                "its package or put its directory on PYTHONPATH"
            ) from error
        result |= {name: thing, keras.saving.get_registered_name(thing): thing}
    return result


def keras_names() -> frozenset[str]:
    """Return the names of Keras's own classes, which an `.h5` file gives without their module."""
    places = (keras, keras.layers, keras.initializers, keras.regularizers, keras.constraints)
    return frozenset(name for place in places for name in dir(place))
