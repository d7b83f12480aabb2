import itertools
import re

import pytest

from adversarial.reporting.style import DARK, LIGHT, MIXED, SERIES, mixed_css, page_css

TEXT = ("ink", "muted", "link", "harmful", "harmless", "quiet", "slight", "unsure", "unknown")


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_stand_out_from_page_and_panel(theme: dict[str, str]) -> None:
    for name, ground in itertools.product(TEXT, ("page", "panel")):
        assert contrast(theme[name], theme[ground]) >= 4.5, name
    for name, ground in itertools.product(SERIES, ("page", "panel")):
        assert contrast(theme[name], theme[ground]) >= 3, name
    for name in ("harmful", "harmless", "quiet", "slight", "unsure", "unknown"):
        assert contrast(theme[name], theme["on-tone"]) >= 4.5, name


def test_the_themes_have_the_same_colours_and_each_is_told_apart() -> None:
    assert LIGHT.keys() == DARK.keys() >= {*SERIES, *MIXED}
    # A drawing in a page is given its theme by what its colours are replaced with.
    grounds = ("page", "on-tone")
    rest = [colour for name, colour in LIGHT.items() if name not in grounds]
    assert len(set(rest)) == len(rest)


def test_a_page_declares_every_colour_for_both_themes() -> None:
    css = page_css()
    for name in LIGHT:
        assert len(re.findall(rf"--{name}: #[0-9a-f]{{6}};", css)) == 2, name
    assert css.count("{") == css.count("}")
    assert all(f"--{name}: color-mix(" in mixed_css() for name in MIXED)
