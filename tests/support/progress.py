import re


def assert_only_progress(stderr: str) -> None:
    """Assert that a command has written nothing to stderr but how far it is, which slow ones do."""
    line = r"(\d{4}-\d\d-\d\d|Changed rows .+): [\d,]+ of [\d,]+ rows, about .+ left"
    assert [found for found in stderr.splitlines() if not re.fullmatch(line, found)] == []
