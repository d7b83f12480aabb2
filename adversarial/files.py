"""What a run depends on, kept beside what it leaves, so that it is resumed as it was begun."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which settings differ, and how; nothing where none does.

    Examples
    --------
    >>> describe_changes({"seed": 0, "epochs": 3}, {"seed": 1, "epochs": 3})
    'seed 0, now 1'
    """
    return "; ".join(
        f"{name} {before.get(name)!r}, now {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def write_json(path: Path, body: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    scratch.replace(path)
