"""The methods: the options of their objectives, and one record for each. Imports no torch.

Both are in one file, so that a new loss is declared in one place: its option, and the methods that read it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args

from hwan.config.data import Pairing
from hwan.errors import Bound, check_options, require

MethodName = Literal["cyclegan", "gan", "pix2pix", "cut", "dcl"]
Gan = Literal["lsgan", "nonsaturating", "minimax", "hinge", "wgan-gp"]
Augmentation = Literal["colour", "translation", "cutout"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective. Defaults: the CycleGAN paper's (section 4, 5.2)."""

    gan: Gan = "lsgan"
    """The adversarial objective: least squares; cross entropy with the generator's -log D
    (nonsaturating, what other code calls vanilla) or log(1 - D) (minimax); hinge; Wasserstein."""
    gp: float = 10.0
    """Weight of the gradient penalty of wgan-gp; the others have none."""
    r1: float = 0.0
    """Weight (gamma) of the R1 penalty on the discriminators' gradient at real images; 0: off."""
    diffaugment: tuple[Augmentation, ...] = ()
    """Random changes of all that the discriminators see (DiffAugment), for small data sets."""
    cycle_a: float = 10.0
    """Weight of the forward cycle, A to B and back to A."""
    cycle_b: float = 10.0
    """Weight of the backward cycle, B to A and back to B."""
    identity: float = 0.5
    """Weight of the identity loss, as a share of that domain's cycle weight (of 1 in dcl, which has no
    cycle); 0 leaves it out."""
    adversarial: float = 1.0
    """Weight of the adversarial loss in pix2pix; 0 leaves the L1 distance alone."""
    l1: float = 100.0
    """Weight of the L1 distance to the true image of a pair (pix2pix)."""
    paired: float = 0.0
    """Weight of the L1 distance on pairs (pairedA, pairedB) that are seen beside the unpaired images; 0:
    none."""
    outside: float = 0.0
    """Weight of the L1 distance between an image and its translation outside its mask; 0: none."""
    nce: float = 1.0
    """Weight of the contrastive loss between patches of input and output (cut, dcl)."""
    nce_identity: bool = True
    """Add the contrastive loss on an image of B that is given back as itself (CUT; not FastCUT)."""
    flip_equivariance: bool = False
    """Half of the time give cut a mirrored input and compare the patches mirrored back (FastCUT)."""
    nce_patches: Annotated[int, Bound(least=2)] = 256
    """Patches drawn from each layer for the contrastive loss."""
    partial_cycle: bool = False
    """Each generator learns only from the cycle it closes, not from the one it begins, as in the
    Keras example; the paper's learns from both."""

    def __post_init__(self) -> None:
        check_options("loss", self)
        for name, value in vars(self).items():  # no loss has a negative weight, new ones included
            number = isinstance(value, int | float)
            require(not number or value >= 0, f"loss.{name} of at least 0", value, "give 0")
        given, names = self.diffaugment, get_args(Augmentation)
        expected = f"some of {', '.join(names)} for loss.diffaugment"
        fix = "give --loss.diffaugment colour translation cutout, or leave it out"
        require(isinstance(given, tuple) and set(given) <= set(names), expected, given, fix)
        expected = "loss.gp above 0, the gradient penalty that the Wasserstein objective needs"
        fix = "give --loss.gp 10, the paper's"
        require(self.gan != "wgan-gp" or self.gp > 0, expected, f"loss.gp {self.gp}", fix)


@dataclass(frozen=True)
class MethodRecord:
    """All that other rooms ask about a method's name; ``hwan.methods.METHODS`` has its class."""

    directions: tuple[str, ...] = ("ab",)
    """The directions it trains generators for."""
    loss_options: tuple[str, ...] = ()
    """The fields of ``LossConfig`` that it reads, besides ``GENERAL_LOSS_OPTIONS``."""
    recipes: tuple[str, ...] = ()
    """Its recipes; a method without any has one of its own name with the default options."""
    pairings: tuple[Pairing, ...] = ("none", "names", "sides", "self")
    """The values of data.pairs that it trains with."""
    draws_pairs: bool = False
    """It learns from pairs: images of A and B are drawn together, and real_b is the truth of fake_b."""
    decides_on_host: bool = False
    """A step draws or decides on the host, so speed.cuda_graph cannot record it."""
    same_channels: bool = False
    """A and B need as many channels."""
    needs_features: bool = False
    """It reads features inside the generator, so the generator's family has ``features``."""
    reference_names: tuple[str, ...] = ("G_A", "G_B")
    """What the reference code calls the generators ab and ba in file names."""


GENERAL_LOSS_OPTIONS = ("gan", "gp", "r1", "diffaugment")
"""What ``AdversarialLoss`` reads, and so every method."""
METHOD_RECORDS: dict[str, MethodRecord] = {
    "cyclegan": MethodRecord(
        directions=("ab", "ba"),
        loss_options=("cycle_a", "cycle_b", "identity", "paired", "partial_cycle", "outside"),
        recipes=("cyclegan", "quick", "small", "cyclegan-keras", "demo-webtoon", "demo-daynight"),
    ),
    "gan": MethodRecord(loss_options=("cycle_b", "identity", "outside"), recipes=("gan",)),
    "pix2pix": MethodRecord(
        loss_options=("adversarial", "l1"),
        recipes=("pix2pix", "colourise"),
        pairings=("names", "sides", "self"),
        draws_pairs=True,
        reference_names=("G", "G"),
    ),
    "cut": MethodRecord(
        loss_options=("nce", "nce_identity", "nce_patches", "flip_equivariance", "outside"),
        recipes=("cut", "fastcut"),
        decides_on_host=True,
        same_channels=True,
        needs_features=True,
    ),
    "dcl": MethodRecord(
        directions=("ab", "ba"),
        loss_options=("nce", "nce_patches", "identity", "outside"),
        recipes=("dcl",),
        decides_on_host=True,
        needs_features=True,
    ),
}
_read = (GENERAL_LOSS_OPTIONS, *(record.loss_options for record in METHOD_RECORDS.values()))
if _wrong := set().union(*_read) ^ {f.name for f in fields(LossConfig)}:
    known = "the fields of LossConfig are GENERAL_LOSS_OPTIONS and the records' loss_options"
    raise TypeError(f"{sorted(_wrong)}: {known}")


def record_of(method: str) -> MethodRecord:
    """The record of ``method``; one with the defaults for what hwan did not train ("imported")."""
    return METHOD_RECORDS.get(method, MethodRecord())
