import pytest
from rich.text import Text

from adversarial.reporting.terminal_table import format_table, print_table

HEADINGS = ["name", "value"]
ROWS = [["[red]cat[/red]\x1b[2J", "1.5"], ["dog", "10.25"]]


def test_markup_and_control_characters_of_a_cell_are_shown_and_not_obeyed() -> None:
    assert "[red]cat[/red]�[2J" in format_table(HEADINGS, ROWS)


def test_numbers_are_aligned_and_no_line_ends_in_blanks() -> None:
    head, rule, first, second = format_table(HEADINGS, ROWS, right=["value"]).splitlines()
    assert set(rule.strip()) == {"─"}
    assert head.endswith("value")
    assert first.endswith("  1.5")
    assert second.endswith("10.25")
    assert len(first) == len(second)


def test_what_is_printed_is_as_wide_as_it_needs_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["", "text"], [["a", "b" * 300], ["", Text("styled", "red")]], caption="a caption")
    printed = capsys.readouterr().out
    assert "b" * 300 in printed
    assert "styled" in printed
    assert "a caption" in printed
