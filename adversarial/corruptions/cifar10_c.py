"""The benchmark CIFAR-10-C: its corruptions with their constants, and its published files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adversarial.corruptions import blur, digital, noise, weather
from adversarial.corruptions.images import Generators, Images
from adversarial.errors import ModelError

SEVERITIES = (1, 2, 3, 4, 5)
ALL = "all"
"""Stands for every corruption; records of all of them together carry this name."""
N_TEST = 10_000
"""Images of each severity in a file of CIFAR-10-C."""

CORRUPTIONS: dict[str, tuple[Callable[[Images, Any, Generators], Images], tuple[Any, ...]]] = {
    "gaussian_noise": (noise.gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": (noise.shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": (noise.impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": (blur.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": (
        blur.glass_blur,
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ),
    "motion_blur": (blur.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": (blur.zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),
    "snow": (
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": (weather.frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": (weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": (weather.brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (digital.contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic_transform": (
        digital.elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": (digital.pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": (digital.jpeg_compression, (80, 65, 58, 50, 40)),
    "speckle_noise": (noise.speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),
    "gaussian_blur": (blur.gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1)),
    "spatter": (
        weather.spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    ),
    "saturate": (digital.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))),
}
"""By the names of the benchmark's files: the function and its constants at severity 1 to 5."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Those that the benchmark holds back for validation."""
BENCHMARK = tuple(name for name in CORRUPTIONS if name not in EXTRA)
"""The fifteen that it consists of."""


def name_corruptions(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions asked for; "all" stands for every one there is."""
    if ALL not in asked:
        return tuple(asked)
    return (*CORRUPTIONS, *(name for name in asked if name not in {ALL, *CORRUPTIONS}))


def corrupt(
    x: Images, name: str, severity: int, *, seed: int = 0, first: int = 0
) -> NDArray[np.float32]:
    """Return corrupted copies of images.

    Parameters
    ----------
    x : (n, height, width, channels) float32
        Images in [0, 1], of one or three channels. Saturation changes nothing in one channel.
    name : str
        One of `CORRUPTIONS`.
    severity : int
        1 to 5.
    seed : int
        Seed that, with the number of an image, gives that image's random numbers.
    first : int
        Number of the first image, where `x` is a part of more.

    Returns
    -------
    (n, height, width, channels) float32
        In [0, 1], on the 256 levels of an 8-bit image, rounded down as the benchmark does.

    Raises
    ------
    ModelError
        If the corruption or the severity does not exist, or `x` holds no images.
    """
    if name not in CORRUPTIONS:
        raise ModelError(f"no corruption {name!r}: expected one of {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ModelError(f"severity is {severity}: expected a whole number from 1 to 5")
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ModelError(
            f"the rows have shape {x.shape[1:]}: corruptions need images of one or three channels"
        )
    number = list(CORRUPTIONS).index(name)
    generators = [
        np.random.default_rng([seed, number, severity, first + row]) for row in range(len(x))
    ]
    function, constants = CORRUPTIONS[name]
    corrupted = function(x.astype(np.float32), constants[severity - 1], generators)
    # A value that is a level already must not fall to the one below by rounding.
    levels = np.floor(np.clip(corrupted, 0, 1) * 255 + 1e-4)
    rounded: NDArray[np.float32] = (levels / 255).astype(np.float32)
    return rounded


def read_cifar10_c(
    directory: Path, name: str, severity: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images and classes of the published CIFAR-10-C.

    Parameters
    ----------
    directory : Path
        Holds `<name>.npy` and `labels.npy`.
    name, severity
        As in `corrupt`.

    Returns
    -------
    (10000, 32, 32, 3) uint8
        Images, in the order of CIFAR-10's test images.
    (10000,) int64
        Classes.

    Raises
    ------
    ModelError
        If a file is missing or of another shape.
    """
    result = []
    for file, shape in ((f"{name}.npy", (5 * N_TEST, 32, 32, 3)), ("labels.npy", (5 * N_TEST,))):
        path = directory / file
        if not path.exists():
            raise ModelError(f"{path} is not there: expected the files of CIFAR-10-C")
        values = np.load(path, mmap_mode="r")
        if values.shape != shape:
            raise ModelError(f"{path} has shape {values.shape}: expected {shape}")
        result.append(np.array(values[(severity - 1) * N_TEST : severity * N_TEST]))
    return result[0], result[1].astype(np.int64)
