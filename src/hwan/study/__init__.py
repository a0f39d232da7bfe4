"""The study: every claim of the note, tested by controlled experiments with hwan's own training.
It stands above training and evaluation; only the command line imports it."""
