"""Score tables, and the reference window that they are compared with."""
