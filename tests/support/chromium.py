"""Pages in Debian's Chromium, without a window."""

import json
import re
import shutil
from pathlib import Path

import pytest
from selenium import webdriver


def start(profile: Path) -> webdriver.Chrome:
    """Start Chromium, or skip the test where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Chromium: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def show(browser: webdriver.Chrome, path: Path, width: int, scheme: str) -> None:
    """Open a page as a screen of that width and colour scheme shows it."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.get_log("performance"), browser.get_log("browser")
    browser.get(path.as_uri())


def assert_opens_well(browser: webdriver.Chrome, path: Path, width: int, scheme: str) -> None:
    """Assert that a page opens without error, asks for nothing, fits, and has the scheme."""
    show(browser, path, width, scheme)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in requested if not url.startswith("data:")} == {path.as_uri()}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(n) for n in re.findall(r"\d+", background)[:3]) / 3
    assert (lightness > 127) == (scheme == "light")
