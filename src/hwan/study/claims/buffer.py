"""The replay buffer: does the discriminator forget, and does a pool of old fakes help?

D is trained against the present G only. It may lose what it learnt against earlier ones, and G may
come back to them: the two go round in circles. Old fakes in D's batches turn the game into one
against the mixture of all generators so far, as in fictitious play.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, pstdev

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

MEMBERS = 5
MARKS = 10


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    alone = vary(plain, train={"pool": 0})
    several = vary(alone, discriminator={"members": MEMBERS})
    return (
        Variant("fresh only", "no pool: D sees only this step's fakes", alone, probed=True),
        Variant("pool of 50", "half of what D sees are older fakes", plain, probed=True),
        Variant(f"{MEMBERS} discriminators", "no pool, all of them averaged", several, probed=True),
    )


def measure(cell: Cell) -> Measurement:
    """Trains with hwan's loop, keeps fakes of ten moments, and shows them to the final discriminator."""
    import time

    import torch

    from hwan.metrics.pairwise import ssim
    from hwan.study.measure import held_out, held_out_truths, mean_logit, strip
    from hwan.study.probe import at_mark, steps

    real, truth = held_out(cell).to(cell.device), held_out_truths(cell)
    old_fakes: list[torch.Tensor] = []
    scores: list[tuple[float, float]] = []
    losses: list[float] = []
    paused, began = 0.0, time.process_time()
    for training, status in steps(cell):
        losses.append(float(status.losses["discriminators"]["d_b"]))
        if not at_mark(status, cell, MARKS):
            continue
        pause, net = time.process_time(), training.method.generators["generator_ab"]
        with torch.no_grad():
            old_fakes.append(net(real[:12]))
            if truth is not None:
                fakes = torch.cat([net(image[None]) for image in real]).cpu()
                scores.append((float(status.seen), float(ssim(fakes, truth).mean())))
        paused += time.process_time() - pause
    seconds = (time.process_time() - began - paused) / len(losses)
    adversarial = training.method.adversarial_b
    weights = sum(p.numel() for p in adversarial.parameters())
    pooled = 0 if adversarial.pool.kept is None else adversarial.pool.kept.numel()
    outputs = [mean_logit(adversarial.discriminator, old) for old in old_fakes]
    values = {
        "old fakes taken for real": float(torch.tensor(outputs[:-1]).mean()),
        "swing of D's loss": pstdev(losses[len(losses) // 2 :]),
        "D's memory": (4 * weights + pooled) * 4 / 2**20,
        "CPU s a step": seconds,
    }
    curves = {"judged": tuple(((i + 1) / MARKS, output) for i, output in enumerate(outputs))}
    if scores:
        second_half = [score for _, score in scores[MARKS // 2 :]]
        values["swing of SSIM"] = fmean(abs(b - a) for a, b in pairwise(second_half))
        values["SSIM"] = scores[-1][1]
        curves["ssim"] = tuple(scores)
    return Measurement(values, curves, {"last output": strip(old_fakes[-1].cpu())})


CLAIM = Claim(
    name="buffer",
    note="discriminator를 여러개 만들고 평균내서 Generator에 반영 --> 메모리를 더욱 소모함 그렇기 때문에 이전 generator가 "
    "생성했던 이미지를 discriminator에게 줘서 … 같이 병행하면 좀 더 안정적으로 학습이 가능함.",
    english="Several discriminators averaged for the generator take more memory; so images that earlier "
    "generators made are given to the discriminator too: learning old and new together is more stable.",
    hypothesis="A discriminator that sees only fresh fakes forgets old ones, and training swings; a pool "
    "makes training steadier at less memory and time than several discriminators.",
    docstring=__doc__,
    formula="L(D) = E_y[(D(y) − 1)²] + E_{x, t ≤ now}[D(G_t(x))²]",
    source="Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4 (50 images)",
    variants=variants,
    measure=measure,
    figures={
        "old fakes taken for real": "the final D's mean output on fakes of nine earlier moments (0: fake, 1: real)",
        "swing of SSIM": "mean change of the test's SSIM between checks a tenth apart, second half",
        "swing of D's loss": "standard deviation of D's loss in the second half",
        "SSIM": "at the end, against the truth",
        "D's memory": "weights, gradients, Adam's two means, and the pool, MB",
        "CPU s a step": "without the checks",
    },
    plots={
        "judged": ("moment the fakes were made, share of the training", "the final D's output on them", False),
        "ssim": ("pairs seen", "SSIM on the test", False),
    },
    predictions=(
        Prediction("with the pool D takes old fakes less for real", "old fakes taken for real",
                   "pool of 50", "<", -0.02, "fresh only"),
        Prediction("with the pool the result swings less", "swing of SSIM",
                   "pool of 50", "<", 0.8, "fresh only", ratio=True),
        Prediction("five discriminators take more memory than the pool", "D's memory",
                   f"{MEMBERS} discriminators", ">", 1.5, "pool of 50", ratio=True),
        Prediction("and more time", "CPU s a step",
                   f"{MEMBERS} discriminators", ">", 1.2, "pool of 50", ratio=True),
    ),
    remark="In our run the pool works: D knows old fakes better. Training swings less with it, as "
    "predicted; three seeds do not make that certain, and five discriminators do not know old fakes better.",
    shows_not="Long trainings, where oscillation is said to set in. The learning rate falls to 0 in the "
    "second half, which steadies every variant. CPU seconds depend on the machine and on what else it does.",
)  # fmt: skip
