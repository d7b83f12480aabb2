"""Make the quickstart's data from Fashion-MNIST (Zalando SE, MIT licence).

Reads the four IDX files (Debian's `dataset-fashion-mnist` installs them) and writes

- `reference.parquet`: the last 5,000 training images, which `adversarial train` gives to no model
  (the reference window);
- `test.parquet`: the 10,000 test images, from which the demo makes a week of production.

See README.md beside this file for the commands.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from adversarial.paper.datasets import CLASS_NAMES, load_dataset
from adversarial.paper.recipes import N_REFERENCE


def png(image: NDArray[np.uint8]) -> bytes:
    """Return `image`, (height, width, 1) bytes, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def write_parquet(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Write images and labels in the Hugging Face layout, 1,000 rows to a row group."""
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": CLASS_NAMES["fashion_mnist"]},
    }
    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array([{"bytes": png(i), "path": None} for i in images], image_type),
            "label": pa.array(labels),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=1_000)


def main() -> None:
    """Write the Parquet files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idx-dir", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()

    arguments.output.mkdir(parents=True, exist_ok=True)
    data = load_dataset("fashion_mnist", arguments.idx_dir)
    of_reference = (data.x_train[-N_REFERENCE:], data.y_train[-N_REFERENCE:])
    write_parquet(arguments.output / "reference.parquet", *of_reference)
    write_parquet(arguments.output / "test.parquet", data.x_test, data.y_test)


if __name__ == "__main__":
    main()
