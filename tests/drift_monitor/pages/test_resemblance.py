"""What a batch's rows look like, in sentences."""

import doctest

import pytest

from drift_monitor.pages import resemblance
from drift_monitor.pages.resemblance import sentence
from drift_monitor.results.report_findings import Resemblance, Support
from tests.support.analysis.verdicts import explanation
from tests.support.reports.cases import CASES
from tests.support.reports.make import make

UNIT = Resemblance(damage="unit-0", severity=100, share=0.38)
BLUR = Resemblance(damage="gaussian_blur", severity=3, share=0.124)
TRACE = Resemblance(damage="black", severity=1, share=0.004)


def support(
    *resembles: Resemblance, name: str = "damage", unexplained: float = 0.0, **fields: object
) -> Support:
    whole = make(CASES["unknown"])[0].support
    assert whole
    found = {
        "explanation": explanation(name, unexplained=unexplained),
        "resembles": list(resembles),
    }
    return whole.model_copy(update=found | fields)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (support(UNIT), "38% of rows look like column income in another unit (× 100)."),
        (
            support(UNIT, BLUR, unexplained=0.2),
            "38% of rows look like column income in another unit (× 100), 12% like gaussian blur "
            "(severity 3) and 20% like nothing that the detector was calibrated on.",
        ),
        (
            support(unexplained=0.981),
            "98% of rows look like nothing that the detector was calibrated on.",
        ),
        (
            support(name="classes"),
            "The rows look like normal ones with their classes in other shares.",
        ),
        (
            support(name="selection"),
            "The rows look like a selection of normal ones, by something other than their class.",
        ),
        (support(TRACE, unexplained=0.001), None),
        (support(name="normal"), None),
        (support(UNIT, missing="the detector knows no calibration rows"), None),
        (None, None),
    ],
)
def test_what_rows_look_like_is_one_sentence(found: Support | None, text: str | None) -> None:
    assert sentence(found, ["income", "age"]) == text


@pytest.mark.parametrize(
    ("damage", "severity", "words"),
    [
        ("mapped-0", 1, "column income on another scale"),
        ("mapped-0+1+2+3", 1, "columns income, a {b} -c, 2 and 1 more on other scales"),
        ("redrawn-1+0", 1, "columns a {b} -c and income with values that other rows should have"),
        ("set-0", 1, "column income with one value in every row"),
        ("permuted-0+1", 1, "columns income and a {b} -c in one another's place"),
        ("imputed_mean-1", 1, "column a {b} -c lost and filled with the mean"),
        ("unit-7", 0.01, "column 7 in another unit (× 0.01)"),
        ("sentinel-all", -999, "all columns filled with −999"),
        ("moved-some", -2, "some columns moved by −2 standard deviations"),
        ("moved", 0.1, "images moved by 10% of their size"),
        ("lose", 0.25, "rows with 25% of their values lost"),
        ("something_new-3", 2, "something new 3 (severity 2)"),
    ],
)
def test_damage_is_said_in_words(damage: str, severity: float, words: str) -> None:
    found = Resemblance(damage=damage, severity=severity, share=0.5)
    assert resemblance.damage_words(found, ["income", "a {b} -c"]) == words


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(resemblance).failed == 0
