"""What is looked for in the HTML of a page."""

import html
import re


def section(page: str, name: str) -> str:
    """Return the page from the heading with that id to the next heading of its level."""
    return page.split(f'<h2 id="{name}"')[1].split("<h2 ", maxsplit=1)[0]


def assert_self_contained(page: str) -> None:
    assert "<script" not in page
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert html.unescape(policy).startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert "@import" not in page
    assert "url(" not in page
    links = re.findall(r"(?:src|href)=\"([^\"#]*)\"", page)
    assert all(not re.match(r"[a-z]+:(?!image/png|,)", link) for link in links)
