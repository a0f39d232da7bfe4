"""The study: every claim of the note, tested by controlled experiments with hwan's own training."""
