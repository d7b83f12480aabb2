"""The quickstart, as a newcomer meets it: the week through Airflow, and its pages in a browser."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from selenium import webdriver

from adversarial.errors import DriftMonitorError
from drift_monitor.airflow.demo import run_demo
from tests.support.chromium import assert_opens_well
from tests.support.progress import assert_only_progress

ROOT = Path(__file__).resolve().parents[3]
COMMAND = str(Path(sys.executable).with_name("drift-monitor"))
WEEK = [(date(2026, 11, 16) + timedelta(days=n)).isoformat() for n in range(7)]
VERDICTS = [
    "no_drift",
    "no_drift",
    "harmless_drift",
    "no_drift",
    "harmful_drift",
    "harmful_drift",
    "no_drift",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the demo needs, in which it has run."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("dags", "monitors"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "examples").symlink_to(ROOT / "examples")
    done = run(copy, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    (copy / "printed.txt").write_text(done.stdout)
    (copy / "stderr.txt").write_text(done.stderr)
    return copy


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words], cwd=checkout, capture_output=True, text=True, check=False
    )


def reports(checkout: Path) -> Path:
    return checkout / "build" / "demo" / "reports" / "fashion_mnist"


def digests(directory: Path, *names: str) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for path in sorted(directory.rglob(name))
    }


def test_every_day_gets_the_right_verdict(checkout: Path) -> None:
    found = [
        json.loads((reports(checkout) / day / "report.json").read_text())["verdict"]["verdict"]
        for day in WEEK
    ]
    assert found == VERDICTS


def test_the_table_and_the_path_of_the_index_are_printed(checkout: Path) -> None:
    printed = (checkout / "printed.txt").read_text()
    assert printed.count("✓") == 7
    assert str(reports(checkout) / "index.html") in printed


def test_nothing_but_the_demos_own_words_is_printed(checkout: Path) -> None:
    assert (checkout / "stderr.txt").read_text() == ""
    lines = (checkout / "printed.txt").read_text().splitlines()
    words = [line.split()[0] for line in lines if line.strip(" ─")]
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert words == ["Making", "Running", *days, "Day", *days, "Reports:", "Took"]


def test_outside_a_checkout_the_demo_says_where_to_run_it(tmp_path: Path) -> None:
    done = run(tmp_path, "demo")
    assert done.returncode == 1
    assert "checkout of the repository" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_airflow_the_demo_says_how_to_install_it_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow", None)
    with pytest.raises(DriftMonitorError, match="extra 'airflow'"):
        run_demo(tmp_path / "monitors" / "fashion_mnist.yaml", ROOT / "examples" / "fashion_mnist")
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_changes_no_byte(checkout: Path) -> None:
    """The same batches are made again, and scored outside Airflow to the same bytes."""
    from adversarial import AdversarialDetector
    from drift_monitor.airflow.demo_week import make_week
    from drift_monitor.config import load_monitor

    monitor = load_monitor(checkout / "monitors" / "fashion_mnist.yaml")
    production = checkout / "build" / "demo" / "production"
    batches = digests(production, "*.parquet")
    assert len(batches) == 14
    shutil.rmtree(production)
    detector = AdversarialDetector.load(monitor.detector)
    make_week(ROOT / "examples" / "fashion_mnist" / "test.parquet", detector, monitor)
    assert digests(production, "*.parquet") == batches

    before = digests(reports(checkout), "scores.parquet", "report.json", "report.html")
    assert len(before) == 21
    days = ("--start", WEEK[0], "--end", WEEK[-1])
    done = run(checkout, "backfill", "monitors/fashion_mnist.yaml", *days, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert_only_progress(done.stderr)
    assert digests(reports(checkout), "scores.parquet", "report.json", "report.html") == before


def test_pages_are_small_and_self_contained(checkout: Path) -> None:
    for page in sorted(reports(checkout).rglob("*.html")):
        text = page.read_text()
        without_images = re.sub(r"data:image/png;base64,[^\"]*", "", text)
        assert len(without_images.encode()) < 500_000
        assert "<script" not in text
        links = re.findall(r"(?:src|href)=\"([^\"#]*)\"", text)
        assert all(not re.match(r"[a-z]+:(?!image/png|,)", link) for link in links), links


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("page", ["index.html", *(f"{day}/report.html" for day in WEEK)])
def test_a_page_opens_without_error_request_or_overflow(
    checkout: Path, browser: webdriver.Chrome, page: str, width: int, scheme: str
) -> None:
    assert_opens_well(browser, reports(checkout) / page, width, scheme)


def test_the_verdict_is_the_first_thing_on_the_page(
    checkout: Path, browser: webdriver.Chrome
) -> None:
    browser.get((reports(checkout) / WEEK[5] / "report.html").as_uri())
    text = browser.find_element("tag name", "main").text
    assert text.startswith("Harmful drift\nmore predictions are wrong than in the reference")
    for name in ("fashion_mnist", WEEK[5], "1,400", "5,000 reference rows", "Detector"):
        assert name in browser.find_element("tag name", "body").text
