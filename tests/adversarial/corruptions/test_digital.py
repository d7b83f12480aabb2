import io

import numpy as np
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv
from PIL import Image

from adversarial.corruptions import CORRUPTIONS, corrupt
from tests.support.shapes import images


def test_contrast_shrinks_differences_and_keeps_the_mean() -> None:
    x = images()
    found = corrupt(x, "contrast", 5)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=0.005)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.15 * x.std(axis=(1, 2)), atol=0.003)


def test_saturation_follows_the_conversion_through_hsv() -> None:
    x = images()
    x[:, :4] = 0.5  # grey: no hue
    for severity, (factor, added) in enumerate(CORRUPTIONS["saturate"][1], 1):
        hsv = rgb_to_hsv(x)
        hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
        expected = np.floor(hsv_to_rgb(hsv) * 255 + 1e-4) / 255
        found = corrupt(x, "saturate", severity)
        np.testing.assert_allclose(found, expected, atol=1.01 / 255)
        assert np.mean(np.abs(found - expected) < 1e-3) > 0.99


def test_elastic_images_are_resampled_not_redrawn() -> None:
    x = images(10)
    found = corrupt(x, "elastic_transform", 1)
    for image, moved in zip(x, found, strict=True):
        assert moved.min() >= image.min() - 1.01 / 255
        assert moved.max() <= image.max() + 1.01 / 255
        assert abs(moved.mean() - image.mean()) < 0.08


def test_jpeg_and_pixels_are_those_of_the_files() -> None:
    x = images(1)
    image = Image.fromarray(np.round(x[0] * 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    stored = np.asarray(Image.open(buffer))
    np.testing.assert_allclose(corrupt(x, "jpeg_compression", 5)[0] * 255, stored, atol=1e-3)
    small = image.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    np.testing.assert_allclose(corrupt(x, "pixelate", 5)[0] * 255, np.asarray(small), atol=1e-3)
