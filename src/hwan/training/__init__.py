"""The loop, its state, and the run folder."""
