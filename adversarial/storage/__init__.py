"""Folders that results are kept in, on disk and on object stores alike."""
