"""Measurements that print what the documents say."""
