"""From a configuration to a run folder: state → steps/{eager, parallel_halves, cuda_graph} → loop → run.

Imports methods, evaluation and lower rooms; study, api and cli import it. plan and estimate run no training.
"""
