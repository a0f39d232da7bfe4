"""From folders of images to batches: layout, cache, crops, loader, checks, and the sample tasks.

It imports config, imaging and files; training, evaluation, study, inference and whatever lies above them may
import it, but serve, nets and metrics never do.
"""
