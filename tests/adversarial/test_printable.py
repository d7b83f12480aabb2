"""Texts that act on a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.cli.echo import echo
from adversarial.printable import printable

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\x9b31m\u202egnp.exe\x7f\x00"


@given(st.text())
def test_no_control_character_is_left_but_tab_and_end_of_line(text: str) -> None:
    for found in printable(text):
        assert found in "\t\n" or unicodedata.category(found) not in {"Cc", "Zl", "Zp"}
    assert printable(printable(text)) == printable(text)


def test_what_is_printed_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE)
    echo(HOSTILE, err=True, fg="red")
    out, err = capsys.readouterr()
    for text in (out, err):
        assert not set(text) & set("\x1b\x07\r\x9b\u202e\x7f\x00")
        assert r"\x1b[2J" in text


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_other_texts_are_left_as_they_are(text: str) -> None:
    assert printable(text) == text
