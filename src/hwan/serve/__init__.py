"""The server: limits · models · batcher · app (routes and errors) · measures · server (the process)."""
