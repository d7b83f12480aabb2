"""Score tables, and the reference window they are compared with."""
