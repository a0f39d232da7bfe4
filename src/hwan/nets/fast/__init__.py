"""Fast CPU kernels: the same layers in fewer operations, for nets and what builds on them. Imports
torch alone, but for ``switch``, which knows the layers of nets."""
