"""The model folder: a generator folder that says what it is, README.md by the model hub's conventions.

The front matter is what the hub reads; the rest is the model card's usual order (Mitchell et al. 2019,
"Model Cards for Model Reporting"): what it does, on what data, by what recipe, how well, and its limits.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwan import __version__
from hwan.files import read_json, write_atomic
from hwan.metrics.records import METRICS
from hwan.nets import sizes
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator

README, SAMPLES = "README.md", "samples.png"
OWN_STATISTICS = ("instance", "instance-affine", "layer", "group")


def export_folder(folder: Path, out: Path, licence: str = "", name: str = "USER/NAME") -> Path:
    """Copy the generator in ``folder`` to ``out``, with its model card and, from a run, its samples.

    A card that is in ``out`` is replaced; one in ``folder`` is its owner's, and copied. Returns ``out``.
    Raises ``UsageError`` for a folder that is no generator folder.
    """
    net, spec = load_generator(folder)
    run = run_of(folder)
    save_generator(out, net, spec)
    sheets = sorted((run / "samples").glob("*.png")) if run else []
    if sheets:
        write_atomic(out / SAMPLES, sheets[-1].read_bytes())
    own = folder / README
    text = (
        own.read_text("utf-8")
        if own.is_file()
        else model_card(spec, run, licence, name, sheets, folder)
    )
    write_atomic(out / README, text.encode())
    return out


def run_of(folder: Path) -> Path | None:
    """The run folder that a generator folder lies in, if it does."""
    run = folder.resolve().parent
    return run if folder.name.startswith("generator_") and (run / "log.jsonl").is_file() else None


def model_card(
    spec: GeneratorSpec,
    run: Path | None = None,
    licence: str = "",
    name: str = "USER/NAME",
    sheets: object = (),
    folder: Path | None = None,
) -> str:
    """The text of README.md: of a ``run``, with its data, recipe and figures, and of a ``folder`` with
    the figures of its own test; without what is unknown."""
    read, write = spec.direction[0].upper(), spec.direction[1].upper()
    tags = ", ".join(dict.fromkeys(["hwan", "image-to-image", spec.method, spec.generator.name]))
    parts = [
        "---\nlibrary_name: hwan\npipeline_tag: image-to-image\n"
        f"tags: [{tags}]\n{f'license: {licence}{chr(10)}' if licence else ''}---",
        f"# {_title(folder, run) or name}\nA {spec.generator.name} generator that translates images of "
        f"domain {read} to domain {write}. It reads {_kind(spec.channels_in, spec.depth_in)} and writes "
        f"{_kind(spec.channels_out, spec.depth_out)}, of any size.",
        "```python\nfrom hwan.inference.translate import Translator\n\n"
        f'translator = Translator.from_pretrained("{name}")\n'
        'translator("image.jpg").save("translation.png")\n```',
        f"`hwan translate FOLDER images/ --out translated` does the same. Made with hwan {__version__}.",
    ]
    if sheets:
        parts.append(
            f"## Samples\n![samples]({SAMPLES})\n\nFrom the left: real A, as B, back as A; real B, as A, "
            "back as B, where there are both ways."
        )
    parts.append("## Data\n" + _data(spec, run))
    parts.append("## Recipe\n" + _recipe(spec, run))
    parts.append("## Figures\n" + _figures(spec, folder, run))
    parts.append("## Limits\n" + "\n".join(f"- {limit}" for limit in _limits(spec)))
    parts.append(f"## Licence\n{licence or 'Not stated: ask its owner before using it.'}")
    return "\n\n".join(parts) + "\n"


def _title(folder: Path | None, run: Path | None) -> str:
    """What it is called where it is: by its run, or by its folder."""
    if folder is None:
        return ""
    way = folder.name.removeprefix("generator_")
    return f"{run.name}, {way[0].upper()} to {way[1].upper()}" if run else folder.resolve().name


def _kind(channels: int, depth: str) -> str:
    names = {1: "grey", 3: "colour"}
    return f"{depth if depth == 'float' else f'{depth}-bit'} {names.get(channels, f'{channels}-channel')}"


def _data(spec: GeneratorSpec, run: Path | None) -> str:
    if run is None:
        return "Not known: the generator came without its run."
    names = ", ".join(f"`{Path(path).name}`" for path in read_json(run / "data.json")["data"])
    return f"{names}, {spec.images:,} images seen in training, in crops of {spec.size} pixels."


def _recipe(spec: GeneratorSpec, run: Path | None) -> str:
    config: dict[str, Any] = (
        read_json(run / "config.json") if run else {"generator": asdict(spec.generator)}
    )
    lines = [
        f"{section}.{key} {value}"
        for section, values in config.items()
        if isinstance(values, dict)
        for key, value in values.items()
    ]
    return (
        f"Method {spec.method}. Every option:\n\n<details>\n\n```\n"
        + "\n".join(lines)
        + "\n```\n</details>"
    )


def _figures(spec: GeneratorSpec, *tested: Path | None) -> str:
    """The figures of the first of the folders ``tested`` that has been tested."""
    paths = [place / "evaluation" / "results.json" for place in tested if place]
    path = next((path for path in paths if path.is_file()), None)
    found = read_json(path).get(spec.direction) if path else None
    if not isinstance(found, dict):
        return "Not tested (`hwan evaluate`)."
    lines = [
        f"`hwan evaluate` on {found.get('images', '?')} held-out images; details in its report."
    ]
    systems: dict[str, dict[str, object]] = {}
    for part in ("systems", "distribution"):
        for system, row in (found.get(part) or {}).items():
            systems.setdefault(system, {}).update(row)
    known = [m for m in METRICS if any(_number(m, row.get(m)) for row in systems.values())]
    if known:
        lines += ["", "| | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    for metric in known:
        cells = [_number(metric, row.get(metric)) for row in systems.values()]
        arrow = (
            "" if metric.endswith("_se") else {"high": " ↑", "low": " ↓"}[METRICS[metric].better]
        )
        lines.append(f"| {METRICS[metric].title}{arrow} | " + " | ".join(cells) + " |")
    more = [
        f"{METRICS[m].title} {_number(m, v)}"
        for m, v in found.items()
        if m in METRICS and v is not None
    ]
    if more:
        lines += ["", f"Without a truth: {', '.join(more)}."]
    lines += [""] + [f"- {sentence}" for sentence in found.get("words") or ()]
    return "\n".join(lines).rstrip()


def _number(metric: str, value: object) -> str:
    return f"{value:.{METRICS[metric].decimals}f}" if isinstance(value, int | float) else ""


def _limits(spec: GeneratorSpec) -> list[str]:
    multiple, least = sizes(spec.generator)
    limits = [
        "What it adds is invented from what it learned: no evidence of what was there.",
        f"It was trained on {spec.size}-pixel crops; larger pictures show larger things than it knows, so "
        f"their details are translated, not their composition.",
        f"Sides are padded by reflection to multiples of {multiple} (from {least}) and cropped back.",
    ]
    if spec.generator.norm in OWN_STATISTICS:
        limits.append(
            "Its norms use each picture's own statistics: a crop is translated otherwise than the whole."
        )
    if spec.generator.test_dropout:
        limits.append("It drops out when translating: no two translations of a picture are alike.")
    return limits
