"""Both models of a detector as one OpenVINO graph, so that scoring needs neither of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from adversarial.bundle.manifest import SCORING_GRAPH
from adversarial.errors import ModelError
from adversarial.runtimes.openvino_runtime import OpenVINORuntime, import_openvino
from adversarial.runtimes.tensorflow_runtime import TensorFlowRuntime


def write_scoring_graph(runtime: TensorFlowRuntime, directory: Path) -> None:
    """Write the graph of M(x), AE_j(x) and M(AE_j(x)) in float32, for any number of rows.

    Parameters
    ----------
    runtime : TensorFlowRuntime
        The models.
    directory : Path
        Of the bundle; the files are `scoring_graph.xml` and, with the weights, `scoring_graph.bin`.

    Raises
    ------
    ModelError
        If OpenVINO cannot convert or run it; names the operations. Nothing is left behind.
    """
    openvino = import_openvino()
    function = runtime.function.get_concrete_function()
    path = directory / SCORING_GRAPH
    try:
        # Functions that a SavedModel brings along are not found unless they are inlined.
        frozen = convert_variables_to_constants_v2(function)
        with _root_logger_kept():
            model = openvino.convert_model(frozen.graph)
        found = {name: output for output in model.outputs for name in output.get_names()}
        # TensorFlow numbers the entries of a dictionary in the order of their names.
        for name, tensor in zip(sorted(function.structured_outputs), frozen.outputs, strict=True):
            found[tensor.name].get_tensor().set_names({name})
        openvino.save_model(model, str(path), compress_to_fp16=False)
        [rows] = frozen.inputs
        OpenVINORuntime(path, "float32")(np.zeros((1, *rows.shape[1:]), np.float32))
    except Exception as error:  # OpenVINO raises many kinds, some without a common base
        for file in (path, path.with_suffix(".bin")):
            file.unlink(missing_ok=True)
        raise ModelError(_reason(error)) from error


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what `convert_model` does to everybody's log, and leaves so where it fails."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


def _reason(error: Exception) -> str:
    """Return which operations OpenVINO cannot convert, or else the last thing that it says."""
    text = str(error)
    if found := re.search(r"(?:No conversion rule found|failed) for(?: operations)?: (.+)", text):
        return f"OpenVINO cannot convert the operation {found.group(1).strip()}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"OpenVINO says: {lines[-1] if lines else type(error).__name__}"
