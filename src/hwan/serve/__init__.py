"""The HTTP server: one process, one page, one queue. It uses web/, exporting/ and inference/, and
loads nothing of data, methods or training; only cli/ imports it."""
