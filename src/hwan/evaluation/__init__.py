"""The test: what is tested, its figures, baselines and pictures, and its page."""
