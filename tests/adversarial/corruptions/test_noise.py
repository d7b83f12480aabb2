import numpy as np
import pytest

from adversarial.corruptions import corrupt


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gaussian_noise", [0.04, 0.06, 0.08, 0.09, 0.10]),
        ("shot_noise", [np.sqrt(0.5 / photons) for photons in (500, 250, 100, 75, 50)]),
        ("speckle_noise", [0.5 * c for c in (0.06, 0.1, 0.12, 0.16, 0.2)]),
    ],
)
def test_noise_has_the_deviation_of_the_benchmark(name: str, expected: list[float]) -> None:
    grey = np.full((30, 32, 32, 3), 0.5, np.float32)
    for severity, deviation in enumerate(expected, 1):
        assert corrupt(grey, name, severity).std() == pytest.approx(deviation, rel=0.03)


def test_impulses_replace_the_benchmarks_share() -> None:
    grey = np.full((30, 32, 32, 3), 100 / 255, np.float32)
    for severity, share in enumerate((0.01, 0.02, 0.03, 0.05, 0.07), 1):
        found = corrupt(grey, "impulse_noise", severity)
        assert (found == 0).mean() == pytest.approx(share / 2, rel=0.12)
        assert (found == 1).mean() == pytest.approx(share / 2, rel=0.12)
