"""Shape: texture changes, form does not, unless the input is nearly lost on the way.

Each block of a ResNet adds something to its input at the same place: it is easiest to return the
input, a change of texture is local, and a new outline has to be worked out from far around. The
cycle rewards an output from which the input can be read off, and a trace of the old outline allows
that. Through a bottleneck no place has a way of its own, so an outline costs no more than a
texture, and neither is exact. A ResNet sees as far as the sum of its windows: 25 pixels at the
small scale, more than the things shown are wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 4  # pixels of the bottleneck
APART = 0.25  # in -1..1: a pixel is to change where the truth differs from the input by more
NEAR = 1 / 3  # of that difference is left of a pixel that has changed: half-way there is a blur


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    downs = scale.size.bit_length() - SIDE.bit_length()  # of a power of two, down to SIDE pixels
    narrow = vary(plain, generator={"name": "bottleneck", "downs": downs})
    through = f"the same through {SIDE}x{SIDE} pixels"
    return (
        Variant("ResNet, texture", "plain disc to striped disc", plain, task="stripes"),
        Variant("ResNet, shape", "disc to diamond, the same networks", plain, task="shapes"),
        Variant("bottleneck, texture", through, narrow, task="stripes"),
        Variant("bottleneck, shape", through, narrow, task="shapes"),
    )


def progress(before: Tensor, after: Tensor) -> tuple[float, float]:
    """(share of the pixels to be changed that are, error of the others as a share of the range), from
    every pixel's distance to the truth before and after translation, in -1..1."""
    changes = before > APART
    made = after[changes] < NEAR * before[changes]
    return float(made.float().mean()), float(after[~changes].mean() / 2)


def measure(cell: Cell) -> Measurement:
    """How much of the right change is made, and what becomes of all that should stay."""
    from hwan.study.measure import outputs, recognised, row

    found = outputs(cell)
    assert found.truth is not None
    before, after = ((x - found.truth).abs().mean(1) for x in (found.real, found.fake))
    made, elsewhere = progress(before, after)
    values = {
        "change made": made,
        "error elsewhere": elsewhere,
        "recognised": recognised(found.fake, found.truth),
    }
    return Measurement(values, pictures=row(found))


CLAIM = Claim(
    name="shape",
    note="CycleGAN의 가장 큰 단점은: 이미지의 모양을 바꾸기 어려움(encoder-decoder의 경우에는 bottlenect을 생성하는 과정에서 "
    "원본을 거의 상실하기 때문에 특정 데이터를 추가하면 모양을 바꿀 수 있음 단 고해상도의 이미지는 얻을 수 없음)",
    english="CycleGAN's greatest weakness: it hardly changes the shape of things. (An encoder-decoder loses "
    "most of the original at its bottleneck, so it can change the shape, but gives no high-resolution "
    "picture.)",
    hypothesis="A ResNet puts a new texture on a thing and leaves its outline; a generator with a narrow "
    "bottleneck changes the outline too, and damages everything that should have stayed.",
    formula="a pixel p that is to change has changed if |G(x)(p) − y(p)| < ⅓ |x(p) − y(p)|,  y the true picture",
    source="Zhu et al. 2017, section 6 (cat to dog; 'tasks that require geometric changes')",
    variants=variants,
    measure=measure,
    figures={
        "change made": "share of the pixels that should change whose distance from the truth falls below a "
        "third (0: as it was, or a blur of both; 1: all)",
        "error elsewhere": "L1 against the truth where nothing was to change, share of the range",
        "recognised": "share of outputs whose nearest true picture is their own (chance: 1 in 24)",
    },
    predictions=(
        Prediction("a ResNet changes more than half of the texture", "change made",
                   "ResNet, texture", ">", 0.5),
        Prediction("it makes less than half of that of shape", "change made", "ResNet, shape", "<", 0.5),
        Prediction("a bottleneck makes more of the change of shape than a ResNet", "change made",
                   "bottleneck, shape", ">", 0.1, "ResNet, shape"),
        Prediction("and spoils more of what should stay", "error elsewhere",
                   "bottleneck, shape", ">", 1.5, "ResNet, shape", ratio=True),
    ),
    remark="Against the note, the ResNet changes the outline about as much as the texture, and the "
    "bottleneck changes it less. The ResNet sees as far as the thing is wide; nothing follows for wider "
    "things. In a first trial the shapes had random colours, which instance norm lost and neither learnt.",
    shows_not="Animals: disc to diamond, in one colour at a few pixels, is the plainest change of form "
    "there is. The note's 'adding certain data', which lets an encoder-decoder change shape, is not tried.",
)  # fmt: skip
