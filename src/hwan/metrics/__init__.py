"""Metrics: their records, pairwise and whole-set figures, health, and the baselines to beat.

methods, evaluation, training, study and everything above may import it; it imports imaging and nets."""
