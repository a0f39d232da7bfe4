"""Files beside the checkout, where hwan is developed: tests compare with them if they exist."""

from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared"
