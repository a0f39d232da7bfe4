"""Bytes of a file, pixels, and tensors in [-1, 1]: the only place that knows ranges, depths and formats.
Every room above may import it; it imports config, errors and files alone."""
