"""The licences of what the package needs to run: `python -m tests.support.licences`."""

import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
SPDX = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
HEAD = """# Licences of dependencies

What `pip install drift-monitor` installs, for each package with the licence that its own metadata
name. The extras add packages of their own, all of which their own projects list.

| package | licence |
|---|---|
"""


def table() -> str:
    """Return the page: each package that is needed to run, direct or not, and its licence."""
    rows = [f"| {name} | {licence(found)} |\n" for name, found in sorted(needed().items())]
    return HEAD + "".join(rows)


def needed() -> dict[str, Distribution]:
    """Return what the package's dependencies install, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = list(map(_name, project["dependencies"]))
    found: dict[str, Distribution] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        required = found[name].requires or []
        # What another system, an older Python or an extra needs is not installed here.
        waiting += [_name(line) for line in required if ";" not in line]
    return found


def licence(package: Distribution) -> str:
    """Return the licence that a package's metadata name."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = metadata.get_all("Classifier") or []
    named = [SPDX[line] for line in classifiers if line in SPDX]
    lines = metadata["License"].splitlines() if "License" in metadata else []
    return ", ".join(dict.fromkeys(named)) or (lines or ["in its licence file"])[0]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
