"""The scoring graph of a bundle, run by OpenVINO: neither TensorFlow nor Keras is imported."""

from __future__ import annotations

import sys
import threading
from collections import deque
from functools import cache
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from adversarial.runtimes.names import Precision
from adversarial.runtimes.runtime import (
    FEATURES,
    PROBABILITIES,
    RECONSTRUCTION,
    RECONSTRUCTION_PROBABILITIES,
    Outputs,
    Rows,
)

DEVICE = "CPU"
BLOCK_BYTES = 256 << 10
SMALLEST_BLOCK, LARGEST_BLOCK = 16, 4096
"""Rows of one inference: at most so many as fill `BLOCK_BYTES`, but within these bounds."""
TURNS_AHEAD = 8
"""Blocks that are handed to a stream together."""

_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}


def import_openvino() -> Any:
    """Return the package `openvino`, which then reports nothing to anybody.

    With `openvino_telemetry` at hand, importing it sends an event to Google Analytics. OpenVINO
    does without where that package cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", cast("ModuleType", None))
    import openvino

    return openvino


def supports_bfloat16() -> bool:
    """Say whether this processor computes in bfloat16."""
    return "BF16" in _core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def describe_machine() -> dict[str, str]:
    """Return what decides how OpenVINO computes here: its version and the processor's features."""
    core = _core()
    return {
        "openvino": import_openvino().get_version(),
        "processor": core.get_property(DEVICE, "FULL_DEVICE_NAME"),
        "capabilities": " ".join(sorted(core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"))),
        "features": _processor_flags(),
    }


@cache
def _core() -> Any:
    return import_openvino().Core()


def _processor_flags() -> str:
    """Return what Linux says the first processor can do; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return next(flags, "").strip()


class OpenVINORuntime:
    """M(x), AE_j(x) and M(AE_j(x)) by a scoring graph (`adversarial.runtimes.scoring_graph`).

    The rows of a pass are scored in blocks of one size, several at a time: one in each of the
    streams that OpenVINO finds best for the processor's cores. A row's outputs do not depend on how
    many there are.

    Parameters
    ----------
    graph : Path
        The graph's `.xml` file.
    precision : {"float32", "bfloat16"}
        What the matrix products and convolutions are computed in. Probabilities are float32.

    Raises
    ------
    RuntimeError
        If OpenVINO cannot read or compile the graph.
    """

    passes_at_once = 2  # so that no stream waits for the end of a pass

    def __init__(self, graph: Path, precision: Precision) -> None:
        model = _core().compile_model(
            str(graph),
            DEVICE,
            {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _HINTS[precision]},
        )
        shape = [size.get_length() for size in list(model.input(0).get_partial_shape())[1:]]
        row_bytes = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        self._block = min(max(BLOCK_BYTES // row_bytes, SMALLEST_BLOCK), LARGEST_BLOCK)
        self._has_features = any(FEATURES in output.get_names() for output in model.outputs)
        self._streams: int = model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._model = model
        self._own = threading.local()

    def __call__(self, x: Rows) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape), n at least 1."""
        names = [PROBABILITIES, RECONSTRUCTION_PROBABILITIES]
        arrays = self._run(x, [*names, FEATURES] if self._has_features else names)
        return Outputs(*arrays)

    def reconstruct(self, x: Rows, member: int) -> Rows:
        """Return AE_j(x), (n, *input_shape), of the member j, which counts from 0."""
        return self._run(x, [RECONSTRUCTION.format(member)])[0]

    def _run(self, x: Rows, names: list[str]) -> list[Rows]:
        """Return these outputs of the graph for all rows."""
        # Blocks are not copied, so that their memory must stay until their requests have ended.
        x = np.ascontiguousarray(x, np.float32)
        size = self._block_rows(len(x))
        blocks = [x[first : first + size] for first in range(0, len(x), size)]
        results: list[list[Rows]] = []
        running: deque[Any] = deque()
        requests = self._requests()
        for block, request in zip(blocks, cycle(requests), strict=False):
            if len(running) == len(requests):
                results.append(_finish(running.popleft(), names))
            request.start_async({0: block}, share_inputs=True)
            running.append(request)
        results += [_finish(request, names) for request in running]
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def _requests(self) -> list[Any]:
        """Return the requests of the calling thread.

        There are more of them than streams: those that wait for a stream begin without Python's
        thread, which may have to wait for another.
        """
        if not hasattr(self._own, "requests"):
            n_requests = self._streams * TURNS_AHEAD
            self._own.requests = [self._model.create_infer_request() for _ in range(n_requests)]
        result: list[Any] = self._own.requests
        return result

    def _block_rows(self, n: int) -> int:
        """Return the rows of a block, so that n rows keep every stream busy to the end."""
        turns = -(-n // (self._block * self._streams))
        return max(-(-n // (turns * self._streams)), SMALLEST_BLOCK)


def _finish(request: Any, names: list[str]) -> list[Rows]:
    """Wait for a request and return copies of its outputs, whose memory the next one uses."""
    request.wait()
    return [request.get_tensor(name).data.copy() for name in names]
