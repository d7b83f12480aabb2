"""For notebooks: DataFrames in, DataFrames and reports out; no monitor file, no directory."""

import drift_monitor.pages.html  # noqa: F401 - from then on a report shows itself
