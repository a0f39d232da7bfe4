"""Three ways to compute one training step, with the same result; ``training.loop.choose_step`` chooses.

They import training.state and methods; training.loop, plan, estimate and study.batches import them.
"""
