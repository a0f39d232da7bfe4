"""Make the photographs embedded in `hwan.data`, of those scikit-image and scikit-learn ship.

    python tools/make_photos.py            # needs scikit-image and scikit-learn, else only Pillow

Each photograph is scaled to 300 pixels on its shorter side, where a 64 x 64 crop shows something,
and saved as JPEG. NOTICE names their authors and licences. Photographs whose licence their package
does not state (scikit-image's motorcycle, matplotlib's Grace Hopper) stay out.
"""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

SHORT, QUALITY = 300, 88
SOURCES = {  # name: (package, file in it)
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}


def main() -> None:
    """Write every photograph of `SOURCES` into `src/hwan/data/photos`."""
    out = Path(__file__).resolve().parent.parent / "src/hwan/data/photos"
    out.mkdir(parents=True, exist_ok=True)
    for name, (package, file) in SOURCES.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{package} is not installed (pip install scikit-image scikit-learn)")
        with Image.open(Path(spec.origin).parent / file) as opened:
            photo = opened.convert("RGB")
        scale = SHORT / min(photo.size)
        size = (round(photo.width * scale), round(photo.height * scale))
        photo.resize(size, Image.Resampling.LANCZOS).save(
            out / f"{name}.jpg", quality=QUALITY, subsampling=0, optimize=True
        )
        print(f"{name}.jpg {size[0]}x{size[1]} {(out / f'{name}.jpg').stat().st_size} bytes")


if __name__ == "__main__":
    main()
