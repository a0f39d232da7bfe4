"""Rows and pictures in, one self-contained HTML page out."""
