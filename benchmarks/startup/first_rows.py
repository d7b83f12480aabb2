"""Process of the start-up benchmark: load a detector, score some rows, end."""

import argparse

import numpy as np

from adversarial import load_scorer
from adversarial.cli.lean_arrow import keep_pandas_out


def main() -> None:
    """Score the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector", help="directory of the bundle")
    parser.add_argument("rows", help=".npy file of the rows, float32")
    parser.add_argument("runtime", choices=("openvino", "tensorflow"))
    arguments = parser.parse_args()
    keep_pandas_out()  # as every command does
    # As by default: OpenVINO in bfloat16 where the guard allows it, and TensorFlow in float32.
    scorer = load_scorer(arguments.detector, runtime=arguments.runtime)
    scorer.score(np.load(arguments.rows))


if __name__ == "__main__":
    main()
