"""The batch job: config → batches → scores → harm → tests → verdict → report."""

from importlib.metadata import version

__version__ = version("drift-monitor")
