"""Make the quickstart's data and classifier from Fashion-MNIST (Zalando SE, MIT licence).

Reads the four IDX files (Debian's `dataset-fashion-mnist` installs them) and writes

- `train.parquet`: 55,000 training images, for the classifier and the detector (not committed);
- `reference.parquet`: the other 5,000 training images, seen by neither (the reference window);
- `test.parquet`: the 10,000 test images, from which the demo makes a week of production;
- `classifier.keras`: the paper's Fashion-MNIST classifier, trained for some epochs (not committed
  on its own; the detector bundle holds it).

See README.md beside this file for the commands.
"""

import argparse
import io
import json
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from adversarial.paper.datasets import CLASS_NAMES, read_idx
from adversarial.paper.networks import fashion_mnist_classifier

N_REFERENCE = 5_000
SEED = 20


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


def train_classifier(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], epochs: int
) -> keras.Model:
    """Return the paper's classifier trained by Adam on `images`, (n, 28, 28) bytes."""
    keras.utils.set_random_seed(SEED)
    model = fashion_mnist_classifier(len(CLASS_NAMES["fashion_mnist"]))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = images[..., None].astype(np.float32) / 255
    model.fit(x, labels, batch_size=128, epochs=epochs, validation_split=0.02, verbose=2)
    return model


def main() -> None:
    """Write the Parquet files and the classifier."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idx-dir", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()

    images = read_idx(arguments.idx_dir / "train-images-idx3-ubyte.gz")
    labels = read_idx(arguments.idx_dir / "train-labels-idx1-ubyte.gz")
    test_images = read_idx(arguments.idx_dir / "t10k-images-idx3-ubyte.gz")
    test_labels = read_idx(arguments.idx_dir / "t10k-labels-idx1-ubyte.gz")

    arguments.output.mkdir(parents=True, exist_ok=True)
    n_train = len(images) - N_REFERENCE
    write_parquet(arguments.output / "train.parquet", images[:n_train], labels[:n_train])
    write_parquet(arguments.output / "reference.parquet", images[n_train:], labels[n_train:])
    write_parquet(arguments.output / "test.parquet", test_images, test_labels)

    classifier = train_classifier(images[:n_train], labels[:n_train], arguments.epochs)
    x_test = test_images[..., None].astype(np.float32) / 255
    accuracy = float(np.mean(classifier.predict(x_test, verbose=0).argmax(1) == test_labels))
    print(f"test accuracy {accuracy:.4f}")
    classifier.save(arguments.output / "classifier.keras")


if __name__ == "__main__":
    main()
