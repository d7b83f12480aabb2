"""What the pages say beyond the first screen, that they are small, and that data stays text."""

import doctest
import re
import time
from dataclasses import replace
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from drift_monitor import formatting
from drift_monitor.analysis.corrections import MAY_LOSE
from drift_monitor.pages import chart
from drift_monitor.pages.html import (
    MEANINGS,
    VERDICTS,
    decision,
    render_report,
)
from drift_monitor.pages.inputs import headline, what_moved
from drift_monitor.results.report import Report, VerdictName
from drift_monitor.results.report_findings import InputTest
from drift_monitor.stats.estimates import Estimate
from tests.support.reports.cases import CASES, MARKUP
from tests.support.reports.make import make
from tests.support.reports.page import assert_self_contained, section

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def page_of(case: str) -> str:
    return render_report(*make(CASES[case]))


@pytest.mark.parametrize("module", [formatting, chart])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_a_page_is_small_and_asks_for_nothing(case: str) -> None:
    page = page_of(case)
    pictures = re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert len(page.encode()) < 300_000
    assert len(pictures.encode()) < 150_000
    assert_self_contained(page)


@pytest.mark.parametrize("case", ["hostile", "hostile, flat"])
def test_markup_in_the_data_is_text_in_every_section(case: str) -> None:
    page = page_of(case)
    assert MARKUP not in page
    parts = {
        "title": page.split("<title>")[1].split("</title>")[0],
        "heading": page.split("<h1>")[1].split("</h1>")[0],
        "first screen": page.split('<div class="lead">')[1].split("<h2 id=")[0],
        "warnings": page.split('<ul class="warnings"')[1].split("</ul>")[0],
        **{
            name: section(page, name)
            for name in ("tests", "where", "corrections", "rows", "provenance")
        },
    }
    assert [name for name, text in parts.items() if ESCAPED not in text] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r'<th scope="row">{}country',  # a segment's value
        r"<h3>By {}country",  # a segment's name
        r'<th scope="row"><span>{}Trouser',  # a class in the corrections
        r'<a href="#row-\d+">{}r\d+',  # a row's id
        r"<code>s3://bucket/predictions/{}",  # a file's path
        r'aria-label="By {}country',  # an attribute
        r"<pre>name: {}",  # the configuration
        r"<code><span>drift-monitor</span> <span>rows</span> <span>monitors/{}",  # a command
    ],
)
def test_markup_is_text_wherever_a_name_comes_from_outside(pattern: str) -> None:
    assert re.search(pattern.format(re.escape(ESCAPED)), page_of("hostile"))


def test_markup_in_a_file_s_name_is_text_where_rows_have_no_id() -> None:
    assert re.search(
        rf'<a href="#row-\d+">{re.escape(ESCAPED)}part-0.parquet, row \d+', page_of("hostile, flat")
    )


@pytest.mark.parametrize("verdict", get_args(VerdictName))
def test_each_verdict_has_a_name_a_meaning_a_drawing_and_a_colour_of_its_own(
    verdict: VerdictName,
) -> None:
    report, scores = make(CASES["no drift"])

    def shown(verdict: VerdictName) -> tuple[str, str, str]:
        changed = report.verdict.model_copy(update={"verdict": verdict})
        page = render_report(report.model_copy(update={"verdict": changed}), scores)
        top = page.split('<p id="verdict"')[1]
        tone = re.search(rf"\.{verdict} {{ --tone: (var\(--[a-z]+\))", page)
        path = re.search(r'<path d="([^"]*)"', top)
        assert tone
        assert path
        return tone[1], path[1], top.split("</p>")[0].split("</svg>")[1]

    others = [shown(other) for other in get_args(VerdictName) if other != verdict]
    for part, of_others in zip(shown(verdict), zip(*others, strict=True), strict=True):
        assert part not in of_others
    assert verdict in VERDICTS
    assert verdict in MEANINGS


def test_no_colour_and_no_word_of_a_quiet_day_stands_where_harm_is_unknown() -> None:
    page = page_of("unknown")
    assert ".drift_harm_unknown { --tone: var(--unknown)" in page
    assert "no_drift" not in page.split("<body>")[1]
    assert "neither shown nor excluded" in MEANINGS["drift_harm_unknown"]
    calm = ("not harmed", "not above", "no harm", "harmless")
    texts = [*MEANINGS.values(), *(VERDICTS[name] for name in VERDICTS if name != "harmless_drift")]
    assert not [text for text in texts for word in calm if word in text.lower()]


def test_rows_are_called_harmless_only_by_labels() -> None:
    by_detector, by_labels = page_of("harmful"), page_of("harmful, labels")
    assert "not called harmful, " in section(by_detector, "scores")
    assert ">not called harmful</dd>" in section(by_detector, "rows")
    for name in ("scores", "rows"):
        assert "harmless" not in section(by_detector, name)
        assert "not called harmful" not in section(by_labels, name)


def test_labels_are_set_against_predictions() -> None:
    report, scores = make(CASES["harmful, labels"])
    text = section(render_report(report, scores), "labels")
    label, said = (np.array(scores[name].to_pylist()) for name in ("label", "prediction"))
    here = label == "Trouser"
    right = int(np.sum(here & (said == "Trouser")))
    assert f'class="right">{right}<small>{right / here.sum():.1%}' in text
    assert f"{len(scores):,} labelled rows" in text
    assert 'id="labels"' not in page_of("harmful")
    many = replace(CASES["200 classes"], labels=True)
    text = section(render_report(*make(many)), "labels")
    assert text.count('<tr><th scope="row">') == 12
    assert re.search(r"\d+ other pairs in scores.parquet", text)


def test_the_tests_say_what_was_compared_with_what_result() -> None:
    report, scores = make(CASES["harmful, labels"])
    text = section(render_report(report, scores), "tests")
    assert "adjusted by Holm over the 7 tests" in text
    for test in report.tests:
        row = re.search(rf'<th scope="row">{re.escape(test.compares)}(.*?)</tr>', text, re.DOTALL)
        assert row
        assert decision(test, 0.05) in row[1]
        assert f"{test.effect:.3f}" in row[1]
        assert f"{test.n_current:,}" in row[1]
    assert "&lt; 1e-12" in text


def test_how_well_a_learner_tells_the_batch_from_normal_rows_is_said() -> None:
    text = section(page_of("unknown"), "tests")
    assert "D = 0.874; of samples of normal rows, one in a thousand exceeds 0.058" in text
    assert "learned-distance" not in page_of("no accuracy estimator")


def test_a_p_of_0_is_never_said() -> None:
    report, scores = make(CASES["harmful"])
    zero = {"p_value": 0.0, "p_value_adjusted": 0.0, "p_value_is_bound": False}
    tests = [test.model_copy(update=zero) for test in report.tests]
    text = section(render_report(report.model_copy(update={"tests": tests}), scores), "tests")
    assert text.count('<td class="n">&lt; 1e-300') == 2 * len(tests)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drift_detected": True}, "drift"),
        ({"p_value_adjusted": 0.01}, "significant, effect below threshold"),
        ({"p_value_adjusted": 0.05}, "not significant"),
        ({"in_family": False, "p_value_adjusted": None}, "does not count for drift"),
        ({"skipped": "too few rows"}, "not made"),
    ],
)
def test_decisions(changes: dict[str, object], words: str) -> None:
    plain = make(CASES["no drift"])[0].test("score")
    test = plain.model_copy(update={"drift_detected": False, **changes})
    assert decision(test, 0.05) == words


def test_a_skipped_test_says_why() -> None:
    text = section(page_of("no row scored"), "tests")
    assert text.count("0 rows in the batch, fewer than 10") == 5


def test_few_classes_have_a_matrix_of_corrections_and_many_a_list() -> None:
    report, scores = make(CASES["harmful"])
    text = section(render_report(report, scores), "corrections")
    pair = report.corrections[0]
    assert f"{pair.offered} of {pair.n}<small>41% → 63%" in text
    many, scores = make(CASES["200 classes"])
    text = section(render_report(many, scores), "corrections")
    assert text.count('<tr><th scope="row">') == 12
    assert f"{len(many.corrections) - 12} other pairs in report.json" in text


def test_the_gain_of_the_corrections_is_said_in_words() -> None:
    report, scores = make(CASES["harmful, labels"])
    text = section(render_report(report, scores), "corrections")
    gain = report.correction_gain
    assert gain.within_support is not None
    for words in (
        f"{gain.proposed} flagged rows",
        f"{gain.proposed - gain.within_support} of them are novel",
        f"For {gain.offered} of them it is offered",
        f"The {gain.offered} where it is the likelier class are expected to gain 13 right "
        "predictions: +0.9 points of accuracy (95% bounds +0.4 to +1.4)",
        "By the labels, correcting these changes accuracy by +0.7 points",
    ):
        assert words in text
    text = section(page_of("no accuracy estimator"), "corrections")
    assert "It is not offered: the detector has no accuracy" in text
    assert "expected" not in text


def test_a_gain_that_may_be_a_loss_is_not_promised() -> None:
    report, scores = make(CASES["harmful"])
    bounds = {"estimate": -0.01, "low": -0.02, "high": 0.001}
    withheld = {"offered": 0, "withheld": MAY_LOSE, "expected": Estimate.model_validate(bounds)}
    gain = report.correction_gain.model_copy(update=withheld)
    page = render_report(report.model_copy(update={"correction_gain": gain}), scores)
    text = section(page, "corrections")
    assert f"not offered: {MAY_LOSE}." in text
    assert "lose 14 right predictions: −1.0 points of accuracy (95% bounds −2.0 to +0.1)" in text
    assert "it is offered" not in text


def test_a_gain_that_an_older_version_promised_is_not_repeated() -> None:
    report, scores = make(CASES["harmful"])
    written = report.model_dump(mode="json")
    promised = {"estimate": 0.86, "low": 0.85, "high": 0.87}
    written["correction_gain"] = {"proposed": 90, "offered": 80, "expected": promised}
    written["correction_gain"] |= {"expected_of_all": 0.9, "realised": -0.08}
    text = section(render_report(Report.model_validate(written), scores), "corrections")
    assert "offered for 80 of them by an older version" in text
    assert "+86" not in text


def test_the_parts_are_ranked_by_both_contributions() -> None:
    report, scores = make(CASES["40 segments"])
    text = section(render_report(report, scores), "where")
    by_country = text.split("<h3>By country</h3>")[1].split("<h3>")[0]
    parts = [part for part in report.slices if part.by == "country"]
    by_harm = sorted(parts, key=lambda part: -(part.harm_contribution or 0))
    by_drift = sorted(parts, key=lambda part: -(part.drift_contribution or 0))
    rows = re.findall(r'<tr[^>]*><th scope="row">([^<]*)<.*?</tr>', by_country, re.DOTALL)
    assert by_harm[0].value in rows
    assert {part.value for part in by_drift[:3]} <= set(rows)
    assert f"{len(parts) - len(rows)} others in report.json" in by_country


def test_a_part_that_is_too_small_says_so() -> None:
    report, scores = make(CASES["harmful"])
    small = [part.model_copy(update={"too_small": True}) for part in report.slices[:1]]
    changed = report.model_copy(update={"slices": [*small, *report.slices[1:]]})
    text = section(render_report(changed, scores), "where")
    assert text.count("too few rows to judge") == 1


def test_a_row_says_where_it_is_and_what_the_classifier_says_of_it() -> None:
    report, scores = make(CASES["harmful"])
    text = section(render_report(report, scores), "rows")
    example = report.examples[0]
    card = text.split(f'<li id="row-{example.position}">')[1].split("</li>")[0]
    assert f'<a href="#row-{example.position}">{example.row["row_id"]}</a>' in card
    assert card.count("data:image/png;base64,") == 3
    assert card.count('class="level') == 2 * len(example.probabilities)
    assert f"{example.probability_correct:.1%}" in card
    flat = section(page_of("flat rows"), "rows")
    for words in ("worst area", "551", "100.0%", "99.94%"):
        assert words in flat


def test_without_normal_rows_none_are_shown_beside() -> None:
    assert "Normal: the row that looks most like it" in section(page_of("harmful"), "rows")
    assert "Normal: the row that looks most like it" in section(page_of("flat rows"), "rows")
    for case in ("harmful", "flat rows"):
        report, scores = make(CASES[case])
        written = report.model_dump(mode="json")
        for example in written["examples"]:  # as an older version wrote them
            del example["normal"]
            for value in example["values"]:
                del value["normal"]
        text = section(render_report(Report.model_validate(written), scores), "rows")
        assert "ormal" not in text
        assert 'class="level' in text


def test_the_page_of_a_million_rows_takes_a_second() -> None:
    report, scores = make(CASES["harmful"])
    many = pa.concat_tables([scores] * 715).combine_chunks()
    assert len(many) > 1_000_000
    started = time.process_time()
    page = render_report(report, many)
    assert time.process_time() - started < 3
    assert len(page) < 300_000


def test_a_score_that_is_not_finite_does_not_spoil_the_page() -> None:
    report, scores = make(CASES["harmful"])
    spoiled = scores["adversarial_score"].to_numpy().copy()
    spoiled[:3] = np.nan, np.inf, -np.inf
    place = scores.column_names.index("adversarial_score")
    page = render_report(report, scores.set_column(place, "adversarial_score", pa.array(spoiled)))
    assert "batch, 1,397 rows" in page
    assert not re.search(r"<path [^>]*(nan|inf)", page)


def test_the_inputs_are_ranked_and_the_first_screen_names_the_worst() -> None:
    report = make(CASES["flat rows"])[0]
    page = page_of("flat rows")
    assert report.inputs
    sentence = headline(report.inputs)
    assert sentence.startswith("income moved most (D = 0.9")
    assert "% of rows outside the reference&#39;s range); 3 of 5 inputs moved." in page
    shown = section(page, "inputs")
    names = re.findall(r'<th scope="row">(\w+)', shown)
    assert names == [test.name for test in report.inputs.tests]
    assert shown.count("<figure") == len(report.inputs.moved) == 3


def test_of_many_inputs_the_first_are_shown() -> None:
    report, scores = make(CASES["flat rows"])
    assert report.inputs
    test = report.inputs.tests[0]
    many = [test.model_copy(update={"name": f"f{i}"}) for i in range(500)]
    inputs = report.inputs.model_copy(update={"tests": many})
    page = render_report(report.model_copy(update={"inputs": inputs}), scores)
    assert '<p class="note">480 others in report.json.</p>' in page
    assert '<th scope="row">f19<' in page
    assert '<th scope="row">f20<' not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "D = 0.250"),
        ({"kind": "chi_squared"}, "total variation = 0.250"),
        ({"moved_by": ["outside"]}, "40.0% of rows outside the reference's range"),
        ({"moved_by": ["missing"]}, "12.0% of rows without a value"),
        ({"moved_by": ["unseen"]}, "55.0% of rows with a value that the reference lacks"),
        ({"constant": True}, "D = 0.250, one value only"),
    ],
)
def test_what_moved_is_said_in_words(changes: dict[str, object], words: str) -> None:
    inputs = make(CASES["flat rows"])[0].inputs
    assert inputs
    share = {"reference": 0.0, "p_value": 0.0, "p_value_adjusted": 0.0}
    fields: dict[str, object] = {
        "effect": 0.25,
        "moved_by": ["distribution"],
        "drift_detected": "moved_by" not in changes,
        "constant": False,
        "outside": {"current": 0.4, **share},
        "unseen": {"current": 0.55, **share},
        "missing": {"current": 0.12, **share},
    }
    test = InputTest.model_validate(inputs.tests[0].model_dump() | fields | changes)
    assert what_moved(test) == words
