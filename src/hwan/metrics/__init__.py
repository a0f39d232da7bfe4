"""Figures: pairwise, health, and the baselines to beat."""
