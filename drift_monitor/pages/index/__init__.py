"""The index of a monitor: its history, its calendar, and their charts."""
