"""The model folder: a generator folder that says what it is, README.md by the model hub's conventions.

The front matter is what the hub reads; the rest is the model card's usual order (Mitchell et al. 2019,
"Model Cards for Model Reporting"): what it does, on what data, by what recipe, how well, and its limits.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hwan import __version__
from hwan.config import PixelFormat, load, to_dict
from hwan.files import read_json, write_atomic
from hwan.metrics.records import METRICS
from hwan.nets.folder import GeneratorSpec, direction_of, load_generator, save_generator

README, SAMPLES = "README.md", "samples.png"
ARROWS = {"high": " ↑", "low": " ↓"}


def export_folder(folder: Path, out: Path, licence: str = "", name: str = "USER/NAME") -> Path:
    """Copy the generator in ``folder`` to ``out``, with its model card and, from a run, its samples.

    A card that is in ``out`` is replaced; one in ``folder`` is its owner's, and copied. Returns ``out``.
    Raises ``UsageError`` for a folder that is no generator folder.
    """
    net, spec = load_generator(folder)
    parent = folder.resolve().parent
    in_run = direction_of(folder.name) and (parent / "log.jsonl").is_file()
    run = parent if in_run else None
    spec = replace(spec, figures_at=_results(spec, folder, run).get("images_seen", spec.figures_at))
    save_generator(out, net, spec)
    sheets = sorted((parent / "samples").glob("*.png")) if in_run else []
    if sheets:
        write_atomic(out / SAMPLES, sheets[-1].read_bytes())
    text = read_card(folder) or model_card(spec, run, licence, name, bool(sheets), folder)
    write_atomic(out / README, text.encode())
    return out


def read_card(folder: Path) -> str:
    """The text of a folder's model card; "" where there is none."""
    path = folder / README
    return path.read_text("utf-8") if path.is_file() else ""


def model_card(
    spec: GeneratorSpec,
    run: Path | None = None,
    licence: str = "",
    name: str = "USER/NAME",
    samples: bool = False,
    folder: Path | None = None,
) -> str:
    """The text of README.md: of a ``run``, with its data, recipe and figures, and of a ``folder`` with
    the figures of its own test; without what is unknown."""
    place = folder.resolve().name if folder else ""
    title = spec.title or (f"{run.name}, {spec.domain_in} to {spec.domain_out}" if run else place)
    tags = ", ".join(dict.fromkeys(["hwan", "image-to-image", spec.method, spec.generator.name]))
    sections = {
        "Samples": f"![samples]({SAMPLES})\n\nFrom the left: real A, as B, back as A; real B, as A, "
        "back as B, where there are both ways."
        if samples
        else "",
        "Data": _data(spec, run),
        "Recipe": _recipe(spec, run),
        "Figures": _figures(spec, folder, run),
        "Limits": "\n".join(f"- {limit}" for limit in _limits(spec)),
        "Licence": licence or "Not stated: ask its owner before using it.",
    }
    parts = [
        "---\nlibrary_name: hwan\npipeline_tag: image-to-image\n"
        f"tags: [{tags}]\n{f'license: {licence}{chr(10)}' if licence else ''}---",
        f"# {title or name}\nA {spec.generator.name} generator that "
        f"translates images of domain {spec.domain_in} to domain {spec.domain_out}. It reads "
        f"{_pixels(spec.format_in)}{', and colour hints,' * spec.hints} and writes "
        f"{_pixels(spec.format_out)}, of any size.",
        f'```python\nimport hwan\n\ntranslator = hwan.Translator.from_pretrained("{name}")\n'
        'translator("image.jpg").save("translation.png")\n```',
        "Of a folder on this machine `hwan.load(FOLDER)` gives the same translator, and "
        "`hwan translate FOLDER images/ --out translated` translates files. "
        f"Made with hwan {__version__}.",
        *(f"## {title}\n{text}" for title, text in sections.items() if text),
    ]
    return "\n\n".join(parts) + "\n"


def _pixels(pixels: PixelFormat) -> str:
    depth = pixels.depth if pixels.depth == "float" else f"{pixels.depth}-bit"
    return f"{depth} " + {1: "grey", 3: "colour"}.get(pixels.channels, f"{pixels.channels}-channel")


def _size(spec: GeneratorSpec) -> str:
    height, width = spec.size
    return f"{height}" if height == width else f"{width}x{height}"


def _data(spec: GeneratorSpec, run: Path | None) -> str:
    if run is None:
        return "Not known: the generator came without its run."
    names = ", ".join(f"`{Path(path).name}`" for path in read_json(run / "data.json")["data"])
    return f"{names}, {spec.images:,} images seen in training, in crops of {_size(spec)} pixels."


def _recipe(spec: GeneratorSpec, run: Path | None) -> str:
    known = to_dict(load(run / "config.json")) if run else {"generator": asdict(spec.generator)}
    options = "\n".join(
        f"{section}.{key} {value}"
        for section, values in known.items()
        if isinstance(values, dict)
        for key, value in values.items()
    )
    networks = ", ".join(spec.trained_against)
    against = f" Trained against the features of {networks}." if networks else ""
    return f"Method {spec.method}.{against} Every option:\n\n<details>\n\n```\n{options}\n```\n</details>"


def _results(spec: GeneratorSpec, *tested: Path | None) -> dict[str, Any]:
    """What the test of the first of the folders ``tested`` that has been tested found; {} without one."""
    paths = [place / "evaluation" / "results.json" for place in tested if place]
    path = next((path for path in paths if path.is_file()), None)
    found = read_json(path).get(spec.direction) if path else None
    return found if isinstance(found, dict) else {}


def _figures(spec: GeneratorSpec, *tested: Path | None) -> str:
    found = _results(spec, *tested)
    if not found:
        return "Not tested (`hwan evaluate`)."
    lines = [
        f"`hwan evaluate` on {found.get('images', '?')} held-out images; details in its report."
    ]
    if (seen := found.get("images_seen", spec.images)) != spec.images:
        lines.append(
            f"Of an earlier state: taken at {seen:,} of {spec.images:,} images seen in training."
        )
    systems: dict[str, dict[str, object]] = {}
    for part in ("systems", "distribution"):
        for system, row in (found.get(part) or {}).items():
            systems.setdefault(system, {}).update(row)
    table = {m: [_number(m, row.get(m)) for row in systems.values()] for m in METRICS}
    table = {metric: cells for metric, cells in table.items() if any(cells)}
    if table:
        lines += ["", "| | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    for metric, cells in table.items():
        arrow = "" if metric.endswith("_se") else ARROWS[METRICS[metric].better]
        lines.append(f"| {METRICS[metric].title}{arrow} | " + " | ".join(cells) + " |")
    more = [f"{METRICS[m].title} {text}" for m in METRICS if (text := _number(m, found.get(m)))]
    if more:
        lines += ["", f"Without a truth: {', '.join(more)}."]
    lines += ["", *(f"- {sentence}" for sentence in found.get("words") or ())]
    return "\n".join(lines).rstrip()


def _number(metric: str, value: object) -> str:
    return f"{value:.{METRICS[metric].decimals}f}" if isinstance(value, int | float) else ""


def _limits(spec: GeneratorSpec) -> list[str]:
    multiple, least = spec.generator.sizes
    norms, dropout = spec.generator.norm_record.whole_image, spec.generator.test_dropout
    limits = {
        "What it adds is invented from what it learned: no evidence of what was there.": True,
        f"It was trained on {_size(spec)}-pixel crops; larger pictures show larger things than it knows, so "
        f"their details are translated, not their composition.": True,
        f"Sides are padded by reflection to multiples of {multiple} (from {least}) and cropped back.": True,
        "Its norms use each picture's own statistics: a crop is translated otherwise than the whole.": norms,
        "It drops out when translating: no two translations of a picture are alike.": dropout,
    }
    return [limit for limit, holds in limits.items() if holds]
