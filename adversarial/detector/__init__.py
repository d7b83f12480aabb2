"""The detector in memory: scores, flags and corrects."""
