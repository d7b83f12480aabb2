"""Worker of the scoring benchmarks: this project's scorer."""

import argparse
import importlib.metadata
from typing import Any

import numpy as np

from adversarial.bundle.read import Bundle, read_bundle
from adversarial.detector.loading import load_scorer
from adversarial.detector.scorer import Scorer
from adversarial.errors import ModelError
from adversarial.runtimes.guard_figures import ScoredBy
from adversarial.runtimes.names import Precision
from adversarial.runtimes.openvino_runtime import OpenVINORuntime
from adversarial.runtimes.runtime import rows_per_pass
from benchmarks.workers import serve


def unguarded(bundle: Bundle, precision: Precision) -> Scorer:
    """Return what scores with OpenVINO, whatever the guard says of the results."""
    graph = bundle.scoring_graph()
    if graph is None:
        raise SystemExit(f"{bundle.path} has no scoring graph")
    manifest = bundle.manifest
    return Scorer(
        OpenVINORuntime(graph, precision),
        weights=manifest.ensemble_weights,
        class_names=manifest.class_names,
        input_spec=manifest.input,
        calibration=bundle.calibration(),
        scored_by=ScoredBy(runtime="openvino", precision=precision),
    )


def main() -> None:
    """Load the detector and the images, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector", help="directory of the bundle")
    parser.add_argument("images", help=".npy file of the images, (n, *input_shape) float32")
    parser.add_argument("runtime", choices=["openvino", "tensorflow"])
    parser.add_argument("precision", choices=["float32", "bfloat16"])
    arguments = parser.parse_args()

    refused = ""
    try:
        scorer = load_scorer(
            arguments.detector, runtime=arguments.runtime, precision=arguments.precision
        )
    except ModelError as error:  # its speed can be measured all the same, and the record says so
        refused = str(error)
        scorer = unguarded(read_bundle(arguments.detector), arguments.precision)
    x = np.load(arguments.images)

    def about() -> dict[str, Any]:
        return {
            "name": f"drift-monitor, {scorer.scored_by.describe()}{' *' if refused else ''}",
            "refused": refused,
            "precision": arguments.precision,
            "batch_size": rows_per_pass(x.shape[1:]),
            "version": importlib.metadata.version(arguments.runtime),
        }

    serve({"about": about, "score": lambda: scorer.score(x)})


if __name__ == "__main__":
    main()
