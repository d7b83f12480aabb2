"""How the pages write numbers: shares, points, p-values, scores and counts."""

import math
from collections.abc import Sequence

DASH = "–"
SMALLEST_P = 1e-300
SMALLEST_SHARE = 1e-6


def percent(share: float | None) -> str:
    """Return a share as per cent; more digits where one would hide that it is neither 0 nor 1.

    Examples
    --------
    >>> percent(0.0594), percent(0.00042), percent(0.9994), percent(1.0), percent(None)
    ('5.9%', '0.042%', '99.94%', '100.0%', '–')
    >>> percent(1e-9), percent(1 - 1e-9)
    ('< 0.0001%', '> 99.9999%')
    """
    if share is None:
        return DASH
    distance = min(abs(share), abs(1 - share))
    if distance == 0 or distance >= 0.001:
        return f"{share:.1%}"
    if distance < SMALLEST_SHARE:
        return f"< {SMALLEST_SHARE:.4%}" if share < 0.5 else f"> {1 - SMALLEST_SHARE:.4%}"
    digits = -math.floor(math.log10(distance)) - 1
    return f"{share:.{digits}%}".removesuffix("%").rstrip("0") + "%"


def points(difference: float | None) -> str:
    """Return a difference of two shares in percentage points, with its sign.

    Examples
    --------
    >>> points(0.0123), points(-0.2), points(0.0), points(0.0004)
    ('+1.2', '−20.0', '0.0', '+0.04')
    """
    if difference is None:
        return DASH
    digits = 1 if abs(difference) >= 0.001 else 2
    text = f"{100 * difference:+.{digits}f}".replace("-", "−")
    return "0.0" if float(text.replace("−", "-")) == 0 else text


def p_text(p: float | None, *, bound: bool = False) -> str:
    """Return a p-value; a bound where it is one, and never 0.

    Examples
    --------
    >>> p_text(0.0312), p_text(3.2e-7), p_text(1e-12, bound=True), p_text(0.0), p_text(1.0)
    ('0.031', '3.2e-7', '< 1e-12', '< 1e-300', '1')
    """
    if p is None:
        return DASH
    if p < SMALLEST_P:
        return f"< {SMALLEST_P:.0e}"
    digits = f"{p:.1g}" if bound else f"{p:.2g}"
    return f"{'< ' if bound else ''}{digits.replace('e-0', 'e-')}"


def fixed(value: float | None) -> str:
    """Return an effect such as D with three decimals.

    Examples
    --------
    >>> fixed(0.0571), fixed(0.00004), fixed(0.0)
    ('0.057', '< 0.001', '0.000')
    """
    if value is None:
        return DASH
    return "< 0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Return a contribution to D with its sign.

    Examples
    --------
    >>> signed(0.0571), signed(-0.01), signed(0.0)
    ('+0.057', '−0.010', '0.000')
    """
    if value is None:
        return DASH
    text = f"{value:+.3f}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0 else text


def days(number: float) -> str:
    """Return an age.

    Examples
    --------
    >>> days(0.26), days(1.0), days(41.9)
    ('0.3 days', '1 day', '42 days')
    """
    text = f"{number:.1f}" if abs(number) < 10 else f"{number:,.0f}"
    text = text.removesuffix(".0")
    return f"{text} {'day' if text == '1' else 'days'}"


def significant(value: float | None) -> str:
    """Return a score or a feature's value with three significant digits.

    Examples
    --------
    >>> significant(0.034567), significant(1234567.0), significant(-3.0)
    ('0.0346', '1,230,000', '−3')
    """
    if value is None:
        return DASH
    if value and not 1e-4 <= abs(value) < 1e9:
        text = f"{value:.2e}"
    else:
        rounded = float(f"{value:.3g}")
        text = f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"
    return text.replace("-", "−", 1) if value < 0 else text


def count(number: int | None) -> str:
    """Return a number of rows with separators of thousands.

    Examples
    --------
    >>> count(1000000)
    '1,000,000'
    """
    return DASH if number is None else f"{number:,}"


def clipped(value: object, longest: int = 80) -> str:
    """Return how Python writes a value, for a message; of a long one, the beginning.

    Examples
    --------
    >>> clipped("a" * 100, 9)
    "'aaaaaaaa…"
    """
    text = repr(value)
    return text if len(text) <= longest else text[:longest] + "…"


def enumeration(parts: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"; at least one.

    >>> enumeration(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
