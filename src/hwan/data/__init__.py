"""Where images come from: folders, cache, crops, batches, embedded samples."""
