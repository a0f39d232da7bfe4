"""Methods by name: networks and objective."""

from __future__ import annotations

from hwan.methods.cut import CUT
from hwan.methods.cyclegan import CycleGAN
from hwan.methods.gan import GAN
from hwan.methods.pix2pix import Pix2Pix

METHODS = {"cyclegan": CycleGAN, "gan": GAN, "pix2pix": Pix2Pix, "cut": CUT}
