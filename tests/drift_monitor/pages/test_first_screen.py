"""Each number on a report's first screen is the one in `report.json`, written for reading."""

import re
from html import unescape

import pytest

from drift_monitor.pages.html import VERDICTS, render_report
from tests.support.reports.cases import CASES
from tests.support.reports.make import make


def first_screen(case: str) -> dict[str, tuple[str | None, str]]:
    """Return raw value and text of each element with an id, up to the first section.

    A raw value is that of a `<data>` element; text is what is read, without markup.
    """
    return elements(page_top(case))


def page_top(case: str) -> str:
    return render_report(*make(CASES[case])).split('<h2 id="tests"')[0]


def elements(page: str) -> dict[str, tuple[str | None, str]]:
    found = {}
    for tag, attributes in re.findall(r"<(\w+)((?: [\w-]+=\"[^\"]*\")*)>", page):
        given = dict(re.findall(r" ([\w-]+)=\"([^\"]*)\"", attributes))
        if "id" not in given:
            continue
        start = page.index(f'id="{given["id"]}"')
        inner = page[page.index(">", start) + 1 : page.index(f"</{tag}>", start)]
        text = unescape(re.sub(r"<[^>]*>", " ", inner))
        found[given["id"]] = (given.get("value"), re.sub(r"\s+", " ", text).strip())
    return found


def points(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text[1:] == "0.0" else text


@pytest.mark.parametrize("case", CASES)
def test_what_every_report_says(case: str) -> None:
    report = make(CASES[case])[0]
    found = first_screen(case)
    texts = {name: text for name, (_, text) in found.items()}
    start, end = report.data_interval.start, report.data_interval.end
    expected = {
        "verdict": VERDICTS[report.verdict.verdict],
        "reason": re.sub(r"\s+", " ", report.verdict.reason).strip(),
        "rule": report.verdict.rule,
        "next-action": report.verdict.next_action,
        "interval": report.interval,
        "interval-start": start.strftime("%Y-%m-%d %H:%M"),
        "interval-end": end.strftime("%Y-%m-%d %H:%M"),
        "rows-scored": f"{report.counts.scored:,}",
        "rows-read": f"{report.counts.read:,}",
        "rows-rejected": f"{report.counts.rejected:,}",
        "rows-labelled": f"{report.counts.labelled:,}",
        "rows-flagged": f"{report.counts.flagged:,}",
        "flagged-current": f"{report.counts.flagged / max(1, report.counts.scored):.1%}",
        "flagged-reference": f"{report.detector_health.flagged_share_reference:.1%}",
        "detector": report.detector.fingerprint[:12],
        "reference-rows": f"{report.reference.n:,}",
        "version": report.drift_monitor_version,
    }
    if not report.counts.scored:
        del expected["flagged-current"]
    assert {name: texts[name] for name in expected} == expected
    commands = report.verdict.commands
    assert texts.get("commands", "") == re.sub(r"\s+", " ", " ".join(commands))


NUMBERS = {
    *("harm-current", "harm-reference", "harm-margin"),
    *("harm-difference", "harm-difference-low", "harm-difference-high"),
    *("estimated-current", "estimated-reference"),
    *("estimated-difference", "estimated-difference-low", "estimated-difference-high"),
    *("bounds-low", "bounds-high", "bounds-unknown"),
    *("bounds-difference-low", "bounds-difference-high"),
    *("novel-current", "novel-reference"),
    *("realised-current", "realised-reference"),
    *("realised-difference", "realised-difference-low", "realised-difference-high"),
    *("score-d", "score-low", "score-high", "score-threshold", "score-p"),
    *("rows-scored", "rows-read", "rows-rejected", "rows-labelled", "rows-flagged"),
    *("flagged-current", "flagged-reference", "reference-rows"),
}
"""Numbers on the first screen of a batch with labels; each is looked for below."""


def test_no_number_is_on_the_first_screen_without_a_name() -> None:
    top = page_top("harmful, labels").split('<dl class="facts">')[1].split("</dl>")[0]
    found = set(re.findall(r'<data id="([^"]*)"', top))
    assert found == NUMBERS
    # Without named numbers, dates, drawings and the fingerprint there is no digit left.
    for named in ("data", "time", "code"):
        top = re.sub(rf"<{named} .*?</{named}>", "", top, flags=re.DOTALL)
    top = re.sub(r'<div class="bound-ends".*?</div>', "", top)
    top = re.sub(r'<span[^>]* id="(interval|version)">[^<]*</span>', "", top)
    assert re.findall(r"\d", re.sub(r"<[^>]*>", "", top)) == []


@pytest.mark.parametrize("case", ["harmful", "harmful, labels", "harmless", "no drift"])
def test_harm(case: str) -> None:
    report = make(CASES[case])[0]
    harm, found = report.harm, first_screen(case)
    assert harm.current
    assert harm.reference
    assert harm.difference
    assert found["harm-current"] == (str(harm.current.rate), f"{harm.current.rate:.1%}")
    assert found["harm-reference"] == (str(harm.reference.rate), f"{harm.reference.rate:.1%}")
    for name in ("estimate", "low", "high"):
        value = getattr(harm.difference, name)
        element = "harm-difference" + ("" if name == "estimate" else f"-{name}")
        assert found[element] == (str(value), points(value))
    assert found["harm-margin"] == ("0.01", "1")
    assert f"Harm rate, by {harm.by}" in page_top(case)


@pytest.mark.parametrize("case", ["harmful", "harmful, labels", "harmless", "no drift"])
def test_estimated_accuracy(case: str) -> None:
    report = make(CASES[case])[0]
    estimated, found = report.accuracy.estimated, first_screen(case)
    assert estimated
    for element, value in (
        ("estimated-current", estimated.current.estimate),
        ("estimated-reference", estimated.reference.estimate),
    ):
        assert found[element] == (str(value), f"{value:.1%}")
    for element, value in (
        ("estimated-difference", estimated.difference.estimate),
        ("estimated-difference-low", estimated.difference.low),
        ("estimated-difference-high", estimated.difference.high),
    ):
        assert found[element] == (str(value), points(value))


@pytest.mark.parametrize("case", ["harmful", "unknown", "no drift"])
def test_the_bounds_of_accuracy_and_the_rows_that_nothing_is_known_of(case: str) -> None:
    report = make(CASES[case])[0]
    estimated, support, found = report.accuracy.estimated, report.support, first_screen(case)
    assert estimated
    assert support
    assert support.novel
    assert support.novel_reference
    bounds = estimated.bounds
    for element, value in (
        ("bounds-low", bounds.low),
        ("bounds-high", bounds.high),
        ("bounds-unknown", bounds.unknown),
        ("novel-current", support.novel.rate),
        ("novel-reference", support.novel_reference.rate),
    ):
        assert found[element] == (str(value), f"{value:.1%}")
    for element, value in (
        ("bounds-difference-low", bounds.difference_low),
        ("bounds-difference-high", bounds.difference_high),
    ):
        assert found[element] == (str(value), points(value))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("unknown", "38% of rows look like gaussian blur (severity 3), 12% like images with"),
        ("unknown, flat rows", "38% of rows look like column income in another unit"),
    ],
)
def test_what_the_rows_look_like(case: str, words: str) -> None:
    assert first_screen(case)["looks-like"][1].startswith(words)
    assert "looks-like" not in first_screen("no drift")


def test_one_bar_shows_estimate_interval_bounds_reference_and_margin() -> None:
    estimated = make(CASES["unknown"])[0].accuracy.estimated
    assert estimated
    bar = page_top("unknown").split('<div class="bounds')[1].split("</div>")[0]
    found = {
        name: [float(share) for share in re.findall(r"([\d.]+)%", style)]
        for name, style in re.findall(r'<(?:span class=")?(\w+)"? style="([^"]*)"', bar)
    }
    low, bounds = 0.0, estimated.bounds  # bounds this low put the left end at 0
    expected = {
        "beyond": [estimated.reference.estimate - 0.01],
        "outer": [bounds.low, bounds.high],
        "inner": [
            estimated.reference.estimate + estimated.difference.low,
            estimated.reference.estimate + estimated.difference.high,
        ],
        "mark": [estimated.reference.estimate],
        "b": [estimated.current.estimate],
    }
    assert found == {
        name: pytest.approx([100 * (value - low) for value in values], abs=0.06)
        for name, values in expected.items()
    }


@pytest.mark.parametrize("case", ["harmful, labels", "harmless"])
def test_realised_accuracy(case: str) -> None:
    report = make(CASES[case])[0]
    realised, found = report.accuracy.realised, first_screen(case)
    assert realised.current
    assert realised.reference
    assert realised.difference
    for element, value in (
        ("realised-current", realised.current.rate),
        ("realised-reference", realised.reference.rate),
    ):
        assert found[element] == (str(value), f"{value:.1%}")
    for element, value in (
        ("realised-difference", realised.difference.estimate),
        ("realised-difference-low", realised.difference.low),
        ("realised-difference-high", realised.difference.high),
    ):
        assert found[element] == (str(value), points(value))


def test_the_distance_of_the_scores() -> None:
    test, found = make(CASES["harmful"])[0].test("score"), first_screen("harmful")
    assert found["score-d"] == (str(test.statistic), f"{test.statistic:.3f}")
    assert found["score-low"] == (str(test.low), f"{test.low:.3f}")
    assert found["score-high"] == (str(test.high), f"{test.high:.3f}")
    assert found["score-threshold"] == ("0.1", "0.100")
    assert test.p_value_is_bound
    assert found["score-p"] == (str(test.p_value_adjusted), "< 6e-12")


@pytest.mark.parametrize(
    ("case", "missing", "words"),
    [
        ("harmful", "realised-current", "not known"),
        ("no accuracy estimator", "estimated-current", "the detector has no accuracy estimator"),
        ("no row scored", "harm-current", "no row can be judged"),
        ("no row scored", "score-d", "not tested"),
        ("no row scored", "novel-current", "no row was scored"),
        ("no accuracy estimator", "novel-current", "the report does not say"),
    ],
)
def test_what_is_missing_is_said_in_words(case: str, missing: str, words: str) -> None:
    assert missing not in first_screen(case)
    assert words in page_top(case)
