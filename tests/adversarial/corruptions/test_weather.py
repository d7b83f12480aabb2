import numpy as np
from matplotlib.colors import rgb_to_hsv

from adversarial.corruptions import corrupt
from tests.support.shapes import images


def test_brightness_raises_the_value_and_keeps_hue_and_saturation() -> None:
    x = images() * np.float32(0.6) + np.float32(0.05)
    before, after = rgb_to_hsv(x), rgb_to_hsv(corrupt(x, "brightness", 5))
    np.testing.assert_allclose(after[..., 2], before[..., 2] + 0.3, atol=0.005)
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=0.03)
    hue = np.abs(after[..., 0] - before[..., 0])
    assert np.quantile(np.minimum(hue, 1 - hue), 0.95) < 0.03


def test_snow_and_fog_brighten() -> None:
    x = images(10) * np.float32(0.5)
    for name in ("snow", "frost"):
        assert corrupt(x, name, 5).mean() > x.mean()
    assert corrupt(x, "fog", 5).std(axis=(1, 2)).mean() < x.std(axis=(1, 2)).mean()
