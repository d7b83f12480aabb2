"""Monitors that lack nothing but what a test gives them."""

from typing import Any

from drift_monitor.config import DataConfig, Monitor

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def monitor(**fields: Any) -> Monitor:
    data = DataConfig(path="x.parquet", input="x")
    return Monitor.model_validate({"name": "m", "detector": "d", "data": data} | fields)
