"""The replay buffer: does the discriminator forget, and does a pool of old fakes help?"""

from __future__ import annotations

from itertools import pairwise

from hwan.study.claim import (
    Cell,
    Claim,
    Measurement,
    Prediction,
    Scale,
    Theory,
    Variant,
    base,
    vary,
)

MEMBERS = 5
MARKS = 10


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    alone = vary(plain, train={"pool": 0})
    return (
        Variant("fresh only", "no pool: D sees only this step's fakes", alone, probed=True),
        Variant("pool of 50", "half of what D sees are older fakes", plain, probed=True),
        Variant(
            f"{MEMBERS} discriminators",
            "no pool, five discriminators averaged",
            vary(alone, discriminator={"members": MEMBERS}),
            probed=True,
        ),
    )


def measure(cell: Cell) -> Measurement:
    """Trains with hwan's loop, keeps fakes of ten moments, and has the final discriminator judge them."""
    import time

    import torch

    from hwan.methods.losses import logits_of
    from hwan.metrics.pairwise import ssim
    from hwan.study.measure import held_out, held_out_truths, strip
    from hwan.study.probe import steps

    real, truth = held_out(cell).to(cell.device), held_out_truths(cell)
    kept: list[torch.Tensor] = []
    scores: list[tuple[float, float]] = []
    losses: list[float] = []
    total = cell.scale.images
    watched, began = 0.0, time.process_time()
    for training, status in steps(cell):
        losses.append(float(status.losses["discriminators"]["d_b"]))
        if status.seen * MARKS // total == (status.seen - 1) * MARKS // total:
            continue
        paused = time.process_time()
        with torch.no_grad():
            kept.append(training.method.generators["generator_ab"](real[:12]))
            if truth is not None:
                fakes = torch.cat(
                    [training.method.generators["generator_ab"](x[None]) for x in real]
                )
                scores.append((float(status.seen), float(ssim(fakes.cpu(), truth).mean())))
        watched += time.process_time() - paused
    seconds = (time.process_time() - began - watched) / len(losses)
    judge = training.method.adversarial_b
    with torch.no_grad():
        says = [
            torch.stack([p.mean() for p in logits_of(judge.discriminator(old))]).mean()
            for old in kept
        ]
    weights = sum(p.numel() for p in judge.parameters())
    pooled = 0 if judge.pool.kept is None else judge.pool.kept.numel()
    late = losses[len(losses) // 2 :]
    mean = sum(late) / len(late)
    values = {
        "old fakes taken for real": float(torch.stack(says[:-1]).mean()),
        "swing of SSIM": _swing([score for _, score in scores[MARKS // 2 :]]),
        "swing of D's loss": (sum((x - mean) ** 2 for x in late) / len(late)) ** 0.5,
        "D's memory": (4 * weights + pooled) * 4 / 2**20,
        "CPU s a step": seconds,
    }
    curves = {"judged": tuple((float(i + 1) / MARKS, float(s)) for i, s in enumerate(says))}
    if scores:
        values["SSIM"] = scores[-1][1]
        curves["ssim"] = tuple(scores)
    values = {name: value for name, value in values.items() if value == value}
    return Measurement(values, curves, {"last output": strip(kept[-1].cpu())})


def _swing(values: list[float]) -> float:
    """The mean step between neighbours; nan of fewer than two."""
    steps = [abs(b - a) for a, b in pairwise(values)]
    return sum(steps) / len(steps) if steps else float("nan")


CLAIM = Claim(
    name="buffer",
    note="discriminator를 여러개 만들고 평균내서 Generator에 반영 --> 메모리를 더욱 소모함 그렇기 때문에 이전 generator가 "
    "생성했던 이미지를 discriminator에게 줘서 … 같이 병행하면 좀 더 안정적으로 학습이 가능함.",
    english="Several discriminators averaged for the generator take more memory; so images that earlier "
    "generators made are given to the discriminator too: learning old and new together is more stable.",
    hypothesis="A discriminator that sees only fresh fakes forgets old ones and training swings; a pool "
    "makes it steadier at less memory and time than several discriminators.",
    theory=Theory(
        "D is trained against the present G only, so what it learnt against former ones may be lost and G "
        "may come back to it: the two go round in circles. Old fakes in D's batches make the game one "
        "against the mixture of all generators so far, as in fictitious play.",
        "L(D) = E_y[(D(y) − 1)²] + E_{x, t ≤ now}[D(G_t(x))²]",
        "Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4 (50 images)",
    ),
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
        Prediction("with the pool D takes old fakes for real less", "old fakes taken for real",
                   "pool of 50", "<", -0.02, "fresh only"),
        Prediction("with the pool the result swings less", "swing of SSIM",
                   "pool of 50", "<", 0.8, "fresh only", ratio=True),
        Prediction("five discriminators take more memory than the pool", "D's memory",
                   f"{MEMBERS} discriminators", ">", 1.5, "pool of 50", ratio=True),
        Prediction("and more time", "CPU s a step",
                   f"{MEMBERS} discriminators", ">", 1.2, "pool of 50", ratio=True),
    ),
    remark="In our run the pool does what it is for: D knows old fakes better. That training swings less for it points the "
    "predicted way and is not certain from three seeds, and five discriminators do not know old fakes better.",
    shows_not="Long trainings, where oscillation is said to set in. The learning rate falls to 0 in the second "
    "half, which steadies every variant. CPU seconds depend on the machine and what else it does.",
)  # fmt: skip
