"""The look of every page, chart and figure: fonts, and the colours of light and dark pages.

The names of the colours are those of the CSS variables. Text colours have a contrast of at least
4.5 to 1 on the page and its panels, line colours of at least 3 to 1; no two series differ by colour
alone, but also by dashes, markers, hatches or words.
"""

FONT = 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif'
MONOSPACE = 'ui-monospace, "Cascadia Mono", "Liberation Mono", monospace'

LIGHT = {
    "page": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#16191d",
    "muted": "#555d67",
    "line": "#d9dde2",
    "link": "#0b57a4",
    "reference": "#2567a8",
    "current": "#b35300",
    "estimate": "#0a7a5c",
    "alarm": "#a3156f",
    "harmful": "#b42318",
    "harmless": "#0b5cad",
    "quiet": "#17693b",
    "slight": "#6d4f00",
    "unsure": "#5d4a94",
    "unknown": "#8f5600",
    "on-tone": "#ffffff",
}
DARK = {
    "page": "#121519",
    "panel": "#1b2025",
    "ink": "#e9ebee",
    "muted": "#a3acb6",
    "line": "#343b43",
    "link": "#8cc2ff",
    "reference": "#74b2f2",
    "current": "#f2a154",
    "estimate": "#57c9a4",
    "alarm": "#f28bc8",
    "harmful": "#ff8f85",
    "harmless": "#8cc2ff",
    "quiet": "#7bd3a1",
    "slight": "#e3c25f",
    "unsure": "#c0b0f5",
    "unknown": "#ffb938",
    "on-tone": "#121519",
}

MIXED = {
    "reference": ("#2f7fcb", 75),
    "current": ("#d2730f", 75),
    "harmful": ("#d8392b", 70),
    "harmless": ("#2f7fcb", 70),
    "quiet": ("#2a9157", 70),
    "slight": ("#9a7400", 70),
    "unsure": ("#7d68bd", 70),
    "unknown": ("#c98500", 60),
}
"""Colours for a page of unknown theme, each with its per cent in a mix with the text colour."""

SERIES = ("reference", "current", "estimate", "alarm", "unsure", "slight")
"""Colours of the lines of one chart, in this order."""

HEAT = 45
"""Per cent of the colour "reference" in the strongest cell of a heat map."""


def page_css() -> str:
    """Return the CSS variables of a page that follows the reader's theme, and is light on paper."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in colours.items())
        for colours in (LIGHT, DARK)
    )
    return (
        f":root {{ color-scheme: light dark; --font: {FONT}; --monospace: {MONOSPACE}; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def mixed_css() -> str:
    """Return the CSS variables for a part of a page whose theme is unknown."""
    mixed = " ".join(
        f"--{name}: color-mix(in srgb, {colour} {share}%, currentColor);"
        for name, (colour, share) in MIXED.items()
    )
    return f"--font: {FONT}; --monospace: {MONOSPACE}; {mixed}"
