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

from adversarial.paper.datasets import CLASS_NAMES, read_idx
from adversarial.paper.recipes import N_REFERENCE


def png(image: NDArray[np.uint8]) -> bytes:
    """Return `image`, (height, width) bytes, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def write_parquet(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Write images and labels in the Hugging Face layout, 1,000 rows to a row group."""
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": CLASS_NAMES["fashion_mnist"]},
    }
    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array([{"bytes": png(i), "path": None} for i in images], image_type),
            "label": pa.array(labels.astype(np.int64)),
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
    for name, files, rows in (
        ("reference", "train", slice(-N_REFERENCE, None)),
        ("test", "t10k", slice(None)),
    ):
        images = read_idx(arguments.idx_dir / f"{files}-images-idx3-ubyte.gz")
        labels = read_idx(arguments.idx_dir / f"{files}-labels-idx1-ubyte.gz")
        write_parquet(arguments.output / f"{name}.parquet", images[rows], labels[rows])


if __name__ == "__main__":
    main()
