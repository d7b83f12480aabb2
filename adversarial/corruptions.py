"""The corruptions of CIFAR-10-C: 15 and 4 extra ones, at 5 severities, for images of any size.

Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (2019), with the constants of that benchmark for 32×32 pixels. What differs from the
published files: frost is drawn, not cut from photographs, which are not free to hand on; and each
image has random numbers of its own, from the seed and its number, so that a batch may be split.
The published files can be read instead (`read_cifar10_c`).
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from adversarial.errors import ModelError

Images = NDArray[np.floating]
Generators = Sequence[np.random.Generator]

SEVERITIES = (1, 2, 3, 4, 5)
ALL = "all"
"""Stands for every corruption, and names what they do together."""
N_TEST = 10_000
"""Images of each severity in a file of CIFAR-10-C."""
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
WATER = np.array([175, 238, 238], np.float32) / 255
MUD = np.array([63, 42, 20], np.float32) / 255


def name_corruptions(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions asked for; "all" stands for every one that this module has."""
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
        With the number of an image it gives that image's random numbers.
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
    found = []
    for file, shape in ((f"{name}.npy", (5 * N_TEST, 32, 32, 3)), ("labels.npy", (5 * N_TEST,))):
        path = directory / file
        if not path.exists():
            raise ModelError(f"{path} is not there: expected the files of CIFAR-10-C")
        values = np.load(path, mmap_mode="r")
        if values.shape != shape:
            raise ModelError(f"{path} has shape {values.shape}: expected {shape}")
        found.append(np.array(values[(severity - 1) * N_TEST : severity * N_TEST]))
    return found[0], found[1].astype(np.int64)


def _normal(x: Images, generators: Generators) -> Images:
    return np.stack([rng.standard_normal(x.shape[1:], np.float32) for rng in generators])


def gaussian_noise(x: Images, deviation: float, generators: Generators) -> Images:
    """Add normal noise."""
    return x + deviation * _normal(x, generators)


def shot_noise(x: Images, photons: float, generators: Generators) -> Images:
    """Count photons (Poisson)."""
    counts = [rng.poisson(image * photons) for image, rng in zip(x, generators, strict=True)]
    return np.stack(counts).astype(np.float32) / photons


def impulse_noise(x: Images, share: float, generators: Generators) -> Images:
    """Set a share of the values to black or white."""
    drawn = np.stack([rng.random(x.shape[1:]) for rng in generators])
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 1, x))


def speckle_noise(x: Images, deviation: float, generators: Generators) -> Images:
    """Add normal noise in proportion to the value."""
    return x + x * deviation * _normal(x, generators)


def _blurred(x: Images, sigma: float) -> Images:
    blurred: Images = ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest")
    return blurred


def gaussian_blur(x: Images, sigma: float, generators: Generators) -> Images:  # noqa: ARG001
    """Blur by a Gaussian, σ in pixels."""
    return _blurred(x, sigma)


def glass_blur(x: Images, constants: tuple[float, int, int], generators: Generators) -> Images:
    """Take pixels from beside them, between two blurs.

    The benchmark's code means to swap neighbours, but overwrites one by the other.
    """
    sigma, reach, turns = constants
    n, height, width, _ = x.shape
    moved = np.floor(_blurred(x, sigma) * 255) / np.float32(255)
    steps = np.stack([rng.integers(-reach, reach, (turns, height, width, 2)) for rng in generators])
    images = np.arange(n)
    for turn in range(turns):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                step = steps[:, turn, row - 1, column - 1]
                moved[:, row, column] = moved[images, row + step[:, 0], column + step[:, 1]]
    return _blurred(moved, sigma)


def defocus_blur(
    x: Images,
    constants: tuple[float, float],
    generators: Generators,  # noqa: ARG001
) -> Images:
    """Blur by a disk with a soft edge: radius and σ of the edge, in pixels."""
    radius, sigma = constants
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    bell = np.exp(-(np.arange(-1, 2) ** 2) / (2 * sigma**2))
    bell /= bell.sum()
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(bell, bell), mode="mirror")
    blurred: Images = ndimage.convolve(
        x, kernel[None, :, :, None].astype(np.float32), mode="mirror"
    )
    return blurred


def _smear(x: Images, constants: tuple[float, float], degrees: NDArray[np.float64]) -> Images:
    """Blur each image along its own angle by half a Gaussian, as ImageMagick does."""
    radius, sigma = constants
    _, height, width, _ = x.shape
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma**2))
    angle = np.deg2rad(degrees)[:, None]
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(np.int64)
    right = np.ceil(steps * np.cos(angle) - 0.5).astype(np.int64)
    images = np.arange(len(x))[:, None, None]
    smeared = np.zeros_like(x)
    for step, share in zip(steps, kernel / kernel.sum(), strict=True):
        rows = np.clip(np.arange(height) + down[:, step, None], 0, height - 1)
        columns = np.clip(np.arange(width) + right[:, step, None], 0, width - 1)
        smeared += np.float32(share) * x[images, rows[:, :, None], columns[:, None, :]]
    return smeared


def motion_blur(x: Images, constants: tuple[float, float], generators: Generators) -> Images:
    """Smear at up to 45° from the horizontal."""
    return _smear(x, constants, np.array([rng.uniform(-45, 45) for rng in generators]))


def _enlarged(x: Images, factor: float) -> Images:
    """Enlarge the middle of each image to the whole, linearly."""
    rows, columns = (_enlargement(size, factor) for size in x.shape[1:3])
    enlarged: Images = np.einsum("ij,njkc,lk->nilc", rows, x, columns, optimize=True)
    return enlarged


def _enlargement(size: int, factor: float) -> Images:
    """Return the matrix, (size, size), that does so along one axis, as `scipy.ndimage.zoom`."""
    part = int(np.ceil(size / factor))
    places = np.linspace(0, part - 1, round(part * factor))
    trim = (len(places) - size) // 2
    places = places[trim : trim + size, None] + (size - part) // 2
    weights: Images = np.maximum(1 - np.abs(places - np.arange(size)), 0).astype(np.float32)
    return weights


def zoom_blur(x: Images, greatest: float, generators: Generators) -> Images:  # noqa: ARG001
    """Average over enlargements in steps of 1 %."""
    factors = np.arange(1, greatest, 0.01)
    total = x + sum(_enlarged(x, float(factor)) for factor in factors)
    averaged: Images = total / np.float32(len(factors) + 1)
    return averaged


def _plasma(shape: tuple[int, ...], decay: float, generators: Generators) -> Images:
    """Return clouds in [0, 1], (n, height, width), by the diamond-square algorithm."""
    side = 2 ** int(np.ceil(np.log2(max(shape))))
    n = len(generators)
    heights = np.zeros((n, side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        count = side // step

        def noise(wobble: float = wobble, count: int = count) -> NDArray[np.float64]:
            drawn = [rng.uniform(-wobble, wobble, (count, count)) for rng in generators]
            return wobble * np.stack(drawn)

        corners = heights[:, ::step, ::step]
        across, below = np.roll(corners, -1, 2), np.roll(corners, -1, 1)
        middle = (corners + across + below + np.roll(across, -1, 1)) / 4 + noise()
        heights[:, half::step, half::step] = middle
        top = (corners + across + middle + np.roll(middle, 1, 1)) / 4 + noise()
        left = (corners + below + middle + np.roll(middle, 1, 2)) / 4 + noise()
        heights[:, ::step, half::step] = top
        heights[:, half::step, ::step] = left
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    heights /= heights.max(axis=(1, 2), keepdims=True)
    return heights[:, : shape[0], : shape[1]].astype(np.float32)


def fog(x: Images, constants: tuple[float, float], generators: Generators) -> Images:
    """Lay clouds over the image."""
    density, decay = constants
    greatest = x.max(axis=(1, 2, 3), keepdims=True)
    clouded = x + density * _plasma(x.shape[1:3], decay, generators)[..., None]
    fogged: Images = clouded * greatest / (greatest + density)
    return fogged


def frost(x: Images, constants: tuple[float, float], generators: Generators) -> Images:
    """Lay drawn frost over the image: bright ridges where clouds cross their middle height."""
    image_share, frost_share = constants
    clouds = _plasma(x.shape[1:3], 1.8, generators)
    middle = np.median(clouds, axis=(1, 2), keepdims=True)
    ridges = np.exp(-((clouds - middle) ** 2) / (2 * 0.12**2))[..., None]
    tint = np.array([0.75, 0.85, 0.95], np.float32)[: x.shape[-1]]
    frosted: Images = image_share * x + frost_share * ridges * tint
    return frosted


def snow(
    x: Images, constants: tuple[float, float, float, float, int, int, float], generators: Generators
) -> Images:
    """Whiten the image and let smeared flakes fall over it."""
    mean, deviation, zoom, least, radius, sigma, image_share = constants
    flakes = mean + deviation * _normal(x[..., :1], generators)
    flakes = _enlarged(flakes, zoom)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    angles = np.array([rng.uniform(-135, -45) for rng in generators])
    flakes = _smear(flakes, (radius, sigma), angles)
    grey = x @ LUMINANCE[:, None] if x.shape[-1] == 3 else x
    white = np.maximum(x, grey * 1.5 + 0.5)
    covered = image_share * x + (1 - image_share) * white
    snowed: Images = covered + flakes + flakes[:, ::-1, ::-1]
    return snowed


def spatter(
    x: Images, constants: tuple[float, float, float, float, float, int], generators: Generators
) -> Images:
    """Splash drops of water (severity 1 to 3) or mud on the image."""
    mean, deviation, sigma, least, strength, is_mud = constants
    liquid = _blurred(mean + deviation * _normal(x[..., :1], generators), sigma)
    liquid = np.where(liquid < least, 0, liquid)
    color = (
        (MUD if is_mud else WATER) if x.shape[-1] == 3 else LUMINANCE @ (MUD if is_mud else WATER)
    )
    if is_mud:
        cover = _blurred((liquid > least).astype(np.float32), strength)
        cover = np.where(cover < 0.8, 0, cover)
        return x * (1 - cover) + color * cover
    shine = liquid * np.stack([_relief(drops[..., 0] > 0) for drops in liquid])[..., None]
    greatest = shine.max(axis=(1, 2, 3), keepdims=True)
    return x + strength * shine / np.where(greatest > 0, greatest, 1) * color


def _relief(drops: NDArray[np.bool_]) -> Images:
    """Return how drops catch the light: a relief of the distance from their edges."""
    edges = drops ^ ndimage.binary_erosion(drops)
    far = np.full(drops.shape, 20.0)
    distance = np.minimum(ndimage.distance_transform_edt(~edges), 20) if edges.any() else far
    # A running mean may end a rounding error below a whole number.
    smooth = ndimage.uniform_filter(distance, 3, mode="mirror") + 1e-6
    distance = np.floor(smooth).astype(np.int64)
    ranks = np.cumsum(np.bincount(distance.ravel(), minlength=21))
    first = ranks[distance.min()]
    equalized = 255 * (ranks[distance] - first) / max(drops.size - first, 1)
    kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float64)
    lit = np.clip(ndimage.correlate(np.round(equalized), kernel, mode="mirror"), 0, 255)
    relief: Images = ndimage.uniform_filter(lit, 3, mode="mirror").astype(np.float32)
    return relief


def contrast(x: Images, factor: float, generators: Generators) -> Images:  # noqa: ARG001
    """Draw values towards the mean of their channel."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    drawn: Images = (x - mean) * factor + mean
    return drawn


def brightness(x: Images, added: float, generators: Generators) -> Images:  # noqa: ARG001
    """Raise the value V of hue, saturation and value."""
    value = x.max(axis=-1, keepdims=True)
    brighter = np.clip(value + added, 0, 1)
    raised: Images = np.where(value > 0, x * brighter / np.where(value > 0, value, 1), brighter)
    return raised


def saturate(x: Images, constants: tuple[float, float], generators: Generators) -> Images:  # noqa: ARG001
    """Change the saturation S of hue, saturation and value: factor and addend."""
    if x.shape[-1] == 1:
        return x
    factor, added = constants
    value, least = x.max(axis=-1, keepdims=True), x.min(axis=-1, keepdims=True)
    spread = value - least
    saturation = spread / np.where(value > 0, value, 1)
    changed = np.clip(saturation * factor + added, 0, 1)
    # A grey pixel has no hue; the usual conversion takes red.
    share = np.where(spread > 0, (value - x) / np.where(spread > 0, spread, 1), [0, 1, 1])
    saturated: Images = value * (1 - changed * share)
    return saturated


def _each(x: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Change images one by one, as 8-bit ones."""
    pixels = np.round(x * 255).astype(np.uint8)
    squeezed = pixels[..., 0] if x.shape[-1] == 1 else pixels
    changed = [np.asarray(change(Image.fromarray(image))) for image in squeezed]
    return np.stack(changed).reshape(x.shape).astype(np.float32) / 255


def jpeg_compression(x: Images, quality: int, generators: Generators) -> Images:  # noqa: ARG001
    """Store as JPEG."""

    def store(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return _each(x, store)


def pixelate(x: Images, factor: float, generators: Generators) -> Images:  # noqa: ARG001
    """Make the image smaller, and large again."""

    def resize(image: Image.Image) -> Image.Image:
        small = (int(image.width * factor), int(image.height * factor))
        return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)

    return _each(x, resize)


def elastic_transform(
    x: Images, constants: tuple[float, float, float], generators: Generators
) -> Images:
    """Shear and stretch the image, then stretch it here and there; in shares of its size."""
    strength, sigma, shear = (constant * min(x.shape[1:3]) for constant in constants)
    height, width = x.shape[1:3]
    middle, reach = np.array([height // 2, width // 2], np.float64), min(height, width) // 3
    # Three points (column, row), and where each image has them afterwards.
    before = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = before + np.stack([rng.uniform(-shear, shear, (3, 2)) for rng in generators])
    homogeneous = np.concatenate([moved, np.ones((len(x), 3, 1))], axis=2)
    affine = np.linalg.solve(homogeneous, np.broadcast_to(before, moved.shape))
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ affine[:, None]
    sheared = _sample(x, places[..., 1], places[..., 0], "mirror")

    def displacement() -> NDArray[np.float64]:
        drawn = np.stack([rng.uniform(-1, 1, (height, width)) for rng in generators])
        smooth: NDArray[np.float64] = strength * ndimage.gaussian_filter(
            drawn, (0, sigma, sigma), mode="reflect", truncate=3
        )
        return smooth

    across, down = displacement(), displacement()
    return _sample(sheared, rows + down, columns + across, "reflect")


def _sample(x: Images, rows: Any, columns: Any, mode: Literal["mirror", "reflect"]) -> Images:
    """Read each image between its pixels, linearly; places are (n, height, width)."""
    found = [
        ndimage.map_coordinates(image[..., channel], [row, column], order=1, mode=mode)
        for image, row, column in zip(x, rows, columns, strict=True)
        for channel in range(x.shape[-1])
    ]
    channels = np.stack(found).reshape(len(x), x.shape[-1], *x.shape[1:3])
    return np.moveaxis(channels, 1, -1)


CORRUPTIONS: dict[str, tuple[Callable[[Images, Any, Generators], Images], tuple[Any, ...]]] = {
    "gaussian_noise": (gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": (shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": (impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": (defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": (
        glass_blur,
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ),
    "motion_blur": (motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": (zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),
    "snow": (
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": (frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": (fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": (brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic_transform": (
        elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": (pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": (jpeg_compression, (80, 65, 58, 50, 40)),
    "speckle_noise": (speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),
    "gaussian_blur": (gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1)),
    "spatter": (
        spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    ),
    "saturate": (saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))),
}
"""By the names of the benchmark's files: the function and its constants at severity 1 to 5."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Those that the benchmark holds back for validation."""
