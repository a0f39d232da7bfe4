"""Turns rows and pictures into one self-contained HTML page.

evaluation and study import it; it imports files and the health lights of metrics alone."""
