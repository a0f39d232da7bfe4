"""Each method's networks and objective in one file, and the losses that they share; METHODS names them.

Methods import nets and lower rooms, never each other; training and study import this room.
"""

from __future__ import annotations

from hwan.methods.cut import CUT
from hwan.methods.cyclegan import CycleGAN
from hwan.methods.dcl import DCL
from hwan.methods.gan import GAN
from hwan.methods.pix2pix import Pix2Pix

METHODS = {"cyclegan": CycleGAN, "gan": GAN, "pix2pix": Pix2Pix, "cut": CUT, "dcl": DCL}
