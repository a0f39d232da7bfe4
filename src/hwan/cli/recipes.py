"""recipes."""

from __future__ import annotations

from hwan.cli.options import HELP
from hwan.config.recipes import RECIPES
from hwan.errors import UsageError


def recipes(args: list[str]) -> int:
    if args and args[0] not in HELP:
        raise UsageError("nothing after hwan recipes", " ".join(args), "leave it out")
    for name, recipe in RECIPES.items():
        print(f"{name:18}{(recipe.__doc__ or '').splitlines()[0]}")
    return 0
