"""Methods by name: networks and objective."""

from __future__ import annotations

from hwan.methods.cyclegan import CycleGAN

METHODS = {"cyclegan": CycleGAN}
