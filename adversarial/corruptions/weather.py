"""Weather: fog, frost, snow, spatter and bright light."""

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.corruptions.blur import enlarge, gaussian_filter, smear
from adversarial.corruptions.images import Generators, Images, standard_normal

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
WATER = np.array([175, 238, 238], np.float32) / 255
MUD = np.array([63, 42, 20], np.float32) / 255


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
    flakes = mean + deviation * standard_normal(x[..., :1], generators)
    flakes = enlarge(flakes, zoom)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    angles = np.array([rng.uniform(-135, -45) for rng in generators])
    flakes = smear(flakes, (radius, sigma), angles)
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
    liquid = gaussian_filter(mean + deviation * standard_normal(x[..., :1], generators), sigma)
    liquid = np.where(liquid < least, 0, liquid)
    color = (
        (MUD if is_mud else WATER) if x.shape[-1] == 3 else LUMINANCE @ (MUD if is_mud else WATER)
    )
    if is_mud:
        cover = gaussian_filter((liquid > least).astype(np.float32), strength)
        cover = np.where(cover < 0.8, 0, cover)
        return x * (1 - cover) + color * cover
    shine = liquid * np.stack([_relief(drops[..., 0] > 0) for drops in liquid])[..., None]
    greatest = shine.max(axis=(1, 2, 3), keepdims=True)
    return x + strength * shine / np.where(greatest > 0, greatest, 1) * color


def brightness(x: Images, added: float, generators: Generators) -> Images:  # noqa: ARG001
    """Raise the value V of hue, saturation and value."""
    value = x.max(axis=-1, keepdims=True)
    brighter = np.clip(value + added, 0, 1)
    raised: Images = np.where(value > 0, x * brighter / np.where(value > 0, value, 1), brighter)
    return raised


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


def _relief(drops: NDArray[np.bool_]) -> Images:
    """Return how drops catch the light: a relief of the distance from their edges."""
    edges = drops ^ scipy.ndimage.binary_erosion(drops)
    far = np.full(drops.shape, 20.0)
    distance = np.minimum(scipy.ndimage.distance_transform_edt(~edges), 20) if edges.any() else far
    # A running mean may end a rounding error below a whole number.
    smooth = scipy.ndimage.uniform_filter(distance, 3, mode="mirror") + 1e-6
    distance = np.floor(smooth).astype(np.int64)
    ranks = np.cumsum(np.bincount(distance.ravel(), minlength=21))
    first = ranks[distance.min()]
    equalized = 255 * (ranks[distance] - first) / max(drops.size - first, 1)
    kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float64)
    lit = np.clip(scipy.ndimage.correlate(np.round(equalized), kernel, mode="mirror"), 0, 255)
    relief: Images = scipy.ndimage.uniform_filter(lit, 3, mode="mirror").astype(np.float32)
    return relief
