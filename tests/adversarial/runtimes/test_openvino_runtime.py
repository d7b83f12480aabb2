"""How OpenVINO is used: in blocks, and without telling anybody."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from adversarial import read_bundle
from adversarial.runtimes.openvino_runtime import OpenVINORuntime
from tests.support.animals import make_inputs


@pytest.fixture(scope="module")
def graph(bundle: Path) -> Path:
    found = read_bundle(bundle).scoring_graph()
    assert found
    return found


@pytest.mark.parametrize("size", [1, 7, 60])
def test_blocks_change_no_row_and_no_order(graph: Path, size: int) -> None:
    whole, parts = OpenVINORuntime(graph, "float32"), OpenVINORuntime(graph, "float32")
    parts._block = size
    x = make_inputs(61, seed=9)
    for one, other in zip(whole(x), parts(x), strict=True):
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(whole.reconstruct(x, 0), parts.reconstruct(x, 0), atol=1e-6)


@pytest.mark.parametrize("n", [64, 500, 512, 8192])
def test_every_stream_has_as_much_to_do(graph: Path, n: int) -> None:
    runtime = OpenVINORuntime(graph, "float32")
    runtime._block = 83
    size = runtime._block_rows(n)
    blocks = [min(size, n - first) for first in range(0, n, size)]
    assert len(blocks) % runtime._streams == 0
    assert max(blocks) <= 83
    assert max(blocks) - min(blocks) < len(blocks)


def test_rows_that_do_not_lie_side_by_side_are_scored_as_those_that_do(graph: Path) -> None:
    runtime, x = OpenVINORuntime(graph, "float32"), make_inputs(40, seed=9)
    np.testing.assert_array_equal(runtime(x[::2])[0], runtime(x[::2].copy())[0])


def test_outputs_are_not_overwritten_by_the_next_pass(graph: Path) -> None:
    runtime = OpenVINORuntime(graph, "float32")
    first = runtime(make_inputs(20, seed=1)).probabilities
    kept = first.copy()
    runtime(make_inputs(20, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_the_use_of_openvino_is_reported_to_nobody(graph: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from adversarial.runtimes.openvino_runtime import OpenVINORuntime; "
        f"OpenVINORuntime(Path({str(graph)!r}), 'float32'); "
        "sys.exit(any(name.startswith('openvino_telemetry.') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_passes_that_run_at_once_give_what_they_give_alone(graph: Path) -> None:
    runtime = OpenVINORuntime(graph, "float32")
    passes = [make_inputs(90, seed=seed) for seed in range(8)]
    alone = [runtime(x).probabilities for x in passes]
    with ThreadPoolExecutor(runtime.passes_at_once) as pool:
        together = [found.probabilities for found in pool.map(runtime, passes)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
