"""A trained generator applied: images of any size, folders, video; the model card and the hub."""
