"""HTML pages of committed results, and their charts."""
