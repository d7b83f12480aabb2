"""The list of licences names what the package needs."""

import tomllib

from tests.support.licences import PAGE, ROOT, table


def test_each_dependency_is_listed_with_its_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = dict(line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines()[7:])
    known = dict(line.strip("| ").split(" | ") for line in table().splitlines()[7:])
    for dependency in project["dependencies"]:
        name = dependency.split(">")[0]
        assert listed.get(name) == known[name], "run .venv/bin/python -m tests.support.licences"
