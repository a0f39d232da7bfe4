"""Every option of a training: sections as frozen dataclasses, their rules, records, recipes, load / save.

Imports no torch, so that help stays light; every other room may import it, it imports errors and files.
A value that breaks a rule raises ``UsageError`` when its dataclass is made, so the command line, a
config file and Python code all meet the same check.
"""

from __future__ import annotations

from hwan.config.config import Config as Config
from hwan.config.data import UNIT as UNIT
from hwan.config.data import DataConfig as DataConfig
from hwan.config.data import Depth as Depth
from hwan.config.data import Pairing as Pairing
from hwan.config.data import PixelFormat as PixelFormat
from hwan.config.data import ValueRange as ValueRange
from hwan.config.discriminators import DiscriminatorConfig as DiscriminatorConfig
from hwan.config.generators import GeneratorConfig as GeneratorConfig
from hwan.config.methods import Gan as Gan
from hwan.config.methods import LossConfig as LossConfig
from hwan.config.saved import from_dict as from_dict
from hwan.config.saved import load as load
from hwan.config.saved import save as save
from hwan.config.saved import to_dict as to_dict
from hwan.config.speed import SpeedConfig as SpeedConfig
from hwan.config.train import Precision as Precision
from hwan.config.train import TrainConfig as TrainConfig
