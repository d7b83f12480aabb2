"""A TensorFlow SavedModel as a Keras layer: its serving function, graph and weights as stored."""

import shutil
from pathlib import Path
from typing import Any

import keras

from adversarial.bundle.manifest import OutputKind
from adversarial.errors import ModelError

SIGNATURE = "serving_default"

_PARTS = ("saved_model.pb", "saved_model.pbtxt", "fingerprint.pb", "variables", "assets")


def is_saved_model(path: Path) -> bool:
    """Say whether the directory `path` holds a SavedModel."""
    return any((path / name).is_file() for name in _PARTS[:2])


def copy_saved_model(source: Path, target: Path) -> None:
    """Copy what belongs to a SavedModel, and nothing else that is in its directory."""
    target.mkdir()
    for part in _PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part)
        elif (source / part).exists():
            shutil.copyfile(source / part, target / part)


class SavedModelLayer(keras.layers.Layer):  # type: ignore[misc]  # keras is untyped
    """The serving function of a SavedModel, (n, *row_shape) to its one output.

    Unlike `keras.layers.TFSMLayer`, it does not hold every weight twice, and it knows its input
    shape. It cannot be saved in a `.keras` file.

    Parameters
    ----------
    path : Path
        Directory of the SavedModel.

    Attributes
    ----------
    directory : Path
        The directory.
    row_shape : tuple of int or None
        Shape of one row, None where a size may vary.
    output_kind : {"softmax", "logits", "sigmoid"}
        What the function outputs; set by whoever loads it.

    Raises
    ------
    ModelError
        If TensorFlow cannot load it, or its serving function does not take one tensor of
        floating-point rows and give one tensor.
    """

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        super().__init__(name="saved_model", dtype="float32", trainable=False)
        self.directory = path
        self.output_kind: OutputKind = "softmax"
        try:
            # Kept because the functions alone do not keep the variables alive.
            self._loaded = tf.saved_model.load(str(path))
        except Exception as error:  # TensorFlow raises many kinds of error for this
            raise ModelError(f"{path} cannot be loaded as a SavedModel: {error}") from error
        self._function = _serving_function(path, self._loaded.signatures)
        inputs = self._function.structured_input_signature[1]
        outputs = self._function.structured_outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{path}: the serving function takes {_names(inputs)} and gives {_names(outputs)}: "
                "expected one input and one output; export a function that has them"
            )
        [(self._input, spec)], [self._output] = inputs.items(), outputs
        if not spec.dtype.is_floating:
            raise ModelError(
                f"{path}: the serving function takes {spec.dtype.name} input: expected "
                "floating-point rows, because the autoencoder learns through the classifier's "
                "gradient; export the part that follows the decoding"
            )
        if not spec.shape.rank or spec.shape[0] is not None:
            raise ModelError(
                f"{path}: the serving function takes input of shape {spec.shape}: expected any "
                "number of rows of a fixed shape, such as (None, 28, 28, 1)"
            )
        self._input_dtype = spec.dtype
        self.row_shape = tuple(spec.shape[1:])

    def call(self, x: Any) -> Any:
        """Return the serving function's output for `x`."""
        import tensorflow as tf

        return self._function(**{self._input: tf.cast(x, self._input_dtype)})[self._output]


def _serving_function(path: Path, signatures: Any) -> Any:
    if SIGNATURE in signatures:
        return signatures[SIGNATURE]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise ModelError(
        f"{path} has the signatures {_names(signatures)}: expected {SIGNATURE}, or a single one; "
        "export the classifier's function under that name"
    )


def _names(mapping: Any) -> str:
    return ", ".join(sorted(mapping)) or "nothing"
