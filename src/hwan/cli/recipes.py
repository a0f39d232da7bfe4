"""recipes."""

from __future__ import annotations

from hwan.cli.options import HELP
from hwan.config.recipes import RECIPES
from hwan.errors import UsageError


def recipes(args: list[str]) -> int:
    if args and args[0] not in HELP:
        raise UsageError("hwan recipes, with nothing after it", " ".join(args), "hwan recipes")
    for name, recipe in RECIPES.items():
        print(f"{name:18}{(recipe.__doc__ or '').splitlines()[0]}")
    return 0
