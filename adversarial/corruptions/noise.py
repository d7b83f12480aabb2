"""Noise: normal, of counted photons, of impulses, and in proportion to the value."""

import numpy as np

from adversarial.corruptions.images import Generators, Images, standard_normal


def gaussian_noise(x: Images, deviation: float, generators: Generators) -> Images:
    """Add normal noise."""
    return x + deviation * standard_normal(x, generators)


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
    return x + x * deviation * standard_normal(x, generators)
