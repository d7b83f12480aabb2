"""What a batch's rows look like among those the detector was calibrated on, in sentences."""

import re
from collections.abc import Sequence

from drift_monitor.formatting import enumeration
from drift_monitor.results.report_findings import Resemblance, Support

KINDS_SHOWN = 3
LEAST_SHARE = 0.005
"""Smaller shares are not spoken of: they would be written as 0%."""

COLUMN_DAMAGE = {
    "unit": "in another unit (× {severity:g})",
    "sentinel": "filled with {severity:g}",
    "sign": "with the opposite sign",
    "frozen": "stuck at one value",
    "shuffled": "shuffled among the rows",
    "swapped_columns": "with the values of other columns",
    "imputed_mean": "lost and filled with the mean",
    "imputed_median": "lost and filled with the median",
    "imputed_low": "lost and filled with the smallest value",
    "imputed_high": "lost and filled with the largest value",
    "moved": "moved by {severity:g} standard deviations",
    "scaled": "with {severity:g} times the spread",
}
"""Damage to one column, to some or to all; what it is called follows the column's name."""

FITTED_DAMAGE = {
    "mapped": ("on another scale", "on other scales"),
    "redrawn": ("with values that other rows should have",) * 2,
    "set": ("with one value in every row",) * 2,
    "permuted": ("in another's place", "in one another's place"),
}
"""Damage fitted to a batch: of one column, and of several."""
COLUMNS_NAMED = 3

ROW_DAMAGE = {
    "noise": "rows with noise of {severity:g} standard deviations",
    "shift": "rows with values moved by {severity:g} standard deviations either way",
    "swap": "rows with {severity:.0%} of their values taken from other rows",
    "lose": "rows with {severity:.0%} of their values lost",
}

IMAGE_DAMAGE = {
    "inverted": "inverted images",
    "not_normalised": "images that were not normalised (× 255)",
    "normalised_twice": "images that were normalised twice (÷ 255)",
    "range_doubled": "images scaled to −1 to 1",
    "range_halved": "images scaled to the upper half of their range",
    "standardised": "images that were standardised",
    "channels_swapped": "images with red and blue swapped",
    "grey": "images without colour",
    "transposed": "images with rows and columns swapped",
    "rotated": "images turned by {severity:g}°",
    "mirrored": "mirrored images",
    "upside_down": "images upside down",
    "moved": "images moved by {severity:.0%} of their size",
    "cropped": "images of which {severity:.0%} of each side is left",
    "covered": "images covered in part",
    "black": "black images",
    "white": "white images",
    "dark": "images with {severity:.0%} of their brightness",
}


def sentence(support: Support | None, columns: Sequence[str] = ()) -> str | None:
    """Return in one sentence what the rows look like; None where there is nothing to say.

    Parameters
    ----------
    support : Support, optional
        What the report says of it.
    columns : sequence of str
        The input columns of flat rows, in order.
    """
    if support is None or support.missing:
        return None
    parts = []
    shown = [kind for kind in support.resembles if kind.share >= LEAST_SHARE][:KINDS_SHOWN]
    for place, kind in enumerate(shown):
        verb = " of rows look" if not place else ""
        parts.append(f"{kind.share:.0%}{verb} like {damage_words(kind, columns)}")
    explanation = support.explanation
    if explanation and explanation.name == "classes" and not parts:
        parts.append("The rows look like normal ones with their classes in other shares")
    if explanation and explanation.name == "selection":
        parts.append(
            "The rows look like a selection of normal ones, by something other than their class"
        )
    if explanation and explanation.unexplained >= LEAST_SHARE:
        of_rows = "" if shown else " of rows look"
        parts.append(
            f"{explanation.unexplained:.0%}{of_rows} like nothing that the detector was calibrated "
            "on"
        )
    if not parts:
        return None
    return enumeration(parts) + "."


def damage_words(kind: Resemblance, columns: Sequence[str] = ()) -> str:
    """Return a kind of damage in words.

    Examples
    --------
    >>> damage_words(Resemblance(damage="unit-1", severity=100, share=0.4), ["age", "income"])
    'column income in another unit (× 100)'
    >>> damage_words(Resemblance(damage="sentinel-some", severity=-999, share=0.4))
    'some columns filled with −999'
    >>> damage_words(Resemblance(damage="gaussian_blur", severity=3, share=0.4))
    'gaussian blur (severity 3)'
    """
    family, _, scope = kind.damage.partition("-")
    if scope and family in FITTED_DAMAGE:
        places = scope.split("+")
        named = [_column(place, columns) for place in places[:COLUMNS_NAMED]]
        more = len(places) - len(named)
        which = enumeration([*named, f"{more} more"] if more else named)
        one, several = FITTED_DAMAGE[family]
        return f"columns {which} {several}" if len(places) > 1 else f"column {which} {one}"
    if scope and family in COLUMN_DAMAGE:
        return f"{_columns(scope, columns)} {_filled(COLUMN_DAMAGE[family], kind)}"
    plain = re.sub("[_-]", " ", kind.damage) + " (severity {severity:g})"
    return _filled(ROW_DAMAGE.get(kind.damage) or IMAGE_DAMAGE.get(kind.damage) or plain, kind)


def _filled(words: str, kind: Resemblance) -> str:
    return words.format(severity=kind.severity).replace(" -", " −")


def _columns(scope: str, columns: Sequence[str]) -> str:
    return f"column {_column(scope, columns)}" if scope.isdecimal() else f"{scope} columns"


def _column(place: str, columns: Sequence[str]) -> str:
    return columns[int(place)] if int(place) < len(columns) else place
