"""How pytorch-CycleGAN-and-pix2pix names the networks that hwan has too: one record for each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwan.config import GeneratorConfig


@dataclass(frozen=True)
class Architecture:
    """A family of generators as the reference builds it."""

    name: str
    """Its class there."""
    option: str
    """hwan's option that the reference's ``argument`` of the class is."""
    argument: str
    choices: Mapping[int, str]
    """The values of ``option`` that --netG has a name for."""
    downs: range
    """The values of generator.downs that the class can have."""
    hides_dropout: bool = False
    """Nothing in a checkpoint tells whether it was trained with dropout."""

    def net(self, config: GeneratorConfig) -> str:
        """What --netG calls this generator; the class with its argument where it has no name."""
        value = vars(config)[self.option]
        return self.choices.get(value, f"({self.name} with {self.argument}={value})")


ARCHITECTURES: dict[str, Architecture] = {
    "resnet": Architecture(
        name="ResnetGenerator",
        option="blocks",
        argument="n_blocks",
        choices={6: "resnet_6blocks", 9: "resnet_9blocks"},
        downs=range(2, 3),
    ),
    "unet": Architecture(
        name="UnetGenerator",
        option="downs",
        argument="num_downs",
        choices={7: "unet_128", 8: "unet_256"},
        downs=range(5, 100),
        hides_dropout=True,
    ),
}
"""By hwan's name of the generator; the reference has none of the others."""
NORMS = ("instance", "batch", "none")
"""The norms that its networks can have."""
PREFIXES = {"pixel": "net."}
"""What the names of a network's tensors begin with, by hwan's name, where it is not "model."."""
