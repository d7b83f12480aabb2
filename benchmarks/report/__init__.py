"""From scored rows to a report, against other drift monitors."""
