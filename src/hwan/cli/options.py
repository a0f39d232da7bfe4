"""How commands read their options: a frozen dataclass of them, or one over a recipe's configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from hwan.config import Config, load
from hwan.config.applicability import COMMON_OPTIONS, refuse_unread, unread
from hwan.config.recipes import RECIPES, SIZED, recipe
from hwan.config.renamed import RENAMED
from hwan.errors import UsageError, nearest, require

O = TypeVar("O")  # noqa: E741
Direction = Literal["ab", "ba"]
HELP = ("-h", "--help")
HELP_ALL = "--help-all"
SECTIONS = {Config: ""} | {
    section: f"{name}." for name, section in get_type_hints(Config).items() if is_dataclass(section)
}
"""The classes of a configuration, and what their options' names begin with."""


@dataclass(frozen=True)
class OverConfig:
    """The options of a command that also takes every option of a configuration."""

    config: Annotated[Config, tyro.conf.arg(name="")]


C = TypeVar("C", bound=OverConfig)


def parse(kind: type[O], verb: str, args: list[str], **more: Any) -> O:
    """``args`` as the dataclass ``kind``; help and errors come from its fields and their texts. ``more``
    is for ``tyro.cli``."""
    parsed: O = tyro.cli(kind, prog=f"hwan {verb}", args=args, **more)
    return parsed


def parse_over(
    verb: str, args: list[str], make: Callable[[Config], C], saved: Config | None = None
) -> C:
    """``args``, a recipe (or a config.json) and options, as ``make`` of its configuration with the options
    over it. ``saved`` is the configuration of a run folder that is named in its place.

    A recipe whose networks follow data.size is made for the size that the options ask for. Raises
    ``UsageError`` for an option that nothing reads, and warns of those in a config.json.
    """
    shown = [arg for arg in args if arg in (*HELP, HELP_ALL)]
    name = "cyclegan" if shown and args[0] in shown else " ".join(args[:1])
    default = make(saved or _named(verb, name, args))
    verb, args = f"{verb} {name}", args[1:]
    if shown:
        registry = None if HELP_ALL in shown else _registry(only_common=True)
        return parse(type(default), verb, ["--help"], default=default, registry=registry)
    _refuse_old_names(args)
    if not saved and name in SIZED:
        plain = parse(type(default), verb, args, default=default, registry=_registry(False))
        if plain.config.data.size != default.config.data.size:
            default = make(recipe(name, plain.config.data.size))
    given = parse(type(default), verb, args, default=default)
    refuse_unread(given.config, default.config)
    if given.config.method != default.config.method:
        own = " or ".join(given.config.record.recipes or (given.config.method,))
        text = f"note: method {given.config.method} keeps the values of {name}; recipe {own} has its own"
        print(text, file=sys.stderr)
    from_file = not saved and name not in RECIPES
    for option, reader in unread(given.config, Config()).items() if from_file else ():
        print(f"warning: {option} in {name} needs {reader}: nothing reads it", file=sys.stderr)
    return given


def _named(verb: str, name: str, args: list[str]) -> Config:
    """The configuration of a recipe's name or of a config.json."""
    folder = ", or a run folder with --resume," if verb == "train" else ""
    expected = f"a recipe or a config.json{folder} after hwan {verb}"
    fix = nearest("", RECIPES) + f"; `hwan {verb} RECIPE --help` shows the options"
    named = name != "" and not name.startswith("-")
    require(named, expected, " ".join(args) or "nothing", fix)
    if Path(name).suffix == ".json":
        return load(Path(name))
    own = Path(name) / "config.json"
    fix = f"give {own} for its options, or train --resume to go on"
    known = name in RECIPES or not own.is_file()
    require(known, "the name of a recipe, or a config.json", name, fix)
    return recipe(name)


def _refuse_old_names(args: list[str]) -> None:
    """Raise ``UsageError`` for an option under the name that it had in version 0.1."""
    for arg in args:
        given = arg.partition("=")[0]
        section, _, option = given.removeprefix("--").replace("-", "_").partition(".")
        new = RENAMED.get(f"{section}.{option.removeprefix('no_')}")
        if given.startswith("--") and new:
            new = "--" + (new.replace(".", ".no-") if option.startswith("no_") else new)
            raise UsageError(f"{new}, the option's new name", given, f"give {new}")


def _registry(only_common: bool) -> ConstructorRegistry:
    """How tyro reads a configuration and its sections: for help, with the common options alone; else as
    plain values, whose rules are not checked (a size that the recipe's own networks cannot take)."""
    registry, within = ConstructorRegistry(), set[Any]()

    @registry.struct_rule
    def rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type not in SECTIONS or info.type in within:
            return None  # tyro's own rule
        within.add(info.type)
        found = registry.get_struct_spec(info)
        within.remove(info.type)
        assert isinstance(found, StructConstructorSpec), info.type
        if not only_common:
            return replace(found, instantiate=SimpleNamespace)
        fields = (
            field
            if is_dataclass(field.type) or SECTIONS[info.type] + field.name in COMMON_OPTIONS
            else replace(field, type=Annotated[field.type, tyro.conf.Suppress])  # type: ignore[arg-type]
            for field in found.fields
        )
        return replace(found, fields=tuple(fields))

    return registry
