"""A trained generator applied: images of any size, folders, video; the model card and the hub. Rooms
above it may import it; it imports nets, imaging, config, runtime, data/folders and metrics/names."""
