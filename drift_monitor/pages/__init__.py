"""The report: its model (`report.json`), plots, and HTML pages."""
