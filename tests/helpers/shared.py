"""Files that lie beside the checkout of those who build hwan: measured against, never needed."""

from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared"
