"""The same layers in fewer operations, for CPUs."""
