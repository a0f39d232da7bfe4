"""The evaluation: its source, figures, baselines and comparison, and the run's page.

training, study, api and cli may import it; it imports data, inference, metrics and report."""
