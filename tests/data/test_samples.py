"""The sample tasks: known answers, reproducible, held-out photographs, and refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwan.data import samples
from hwan.data.landscape import landscape
from hwan.data.samples import TASKS, photos
from hwan.data.webtoon import LUMA, webtoon

FOLDERS = ["testA", "testB", "trainA", "trainB", "truthA", "truthB"]


def contents(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*.png")}


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def inside(crop: np.ndarray, photo: np.ndarray) -> bool:
    """Whether the crop is a window of the photograph, pixel by pixel."""
    spots = np.argwhere((photo == crop[0, 0]).all(2))
    height, width = crop.shape[:2]
    return any(np.array_equal(photo[y : y + height, x : x + width], crop) for y, x in spots)


@pytest.fixture(scope="module", params=sorted(TASKS))
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name: str = request.param
    out = tmp_path_factory.mktemp(name) / name
    TASKS[name](out, size=48, train=9, test=10, seed=3)
    return out


def test_photos_are_rgb_named_and_small() -> None:
    found = photos()
    used = samples.PHOTOS_A + samples.PHOTOS_B + samples.PHOTOS_TEST
    assert sorted(used) == sorted(found)  # each in exactly one role
    assert not set(samples.PALETTES) & set(samples.PHOTOS_TEST)
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 for p in found.values())
    assert {min(p.shape[:2]) for p in found.values()} == {samples.SHORTEST}
    files = Path(samples.__file__).with_name("photos").iterdir()
    assert sum(f.stat().st_size for f in files) <= 600_000


def test_webtoon_flattens_areas_and_inks_edges() -> None:
    photo = np.full((60, 60, 3), 190, np.uint8)
    photo[:, 30:] = 60
    noisy = photo + np.random.default_rng(0).integers(-8, 9, photo.shape).astype(np.uint8)
    drawn = webtoon(noisy)
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    light, dark = drawn[8:-8, 8:22].astype(int), drawn[8:-8, 40:-8].astype(int)
    assert light.std((0, 1)).max() < noisy[8:-8, 8:22].std((0, 1)).min() / 2
    # the dark side of the edge is a line, darker than both areas
    assert drawn[20:40, 30:33].min() + 20 < min(light.mean(), dark.mean())


def test_webtoon_is_local() -> None:
    photo = photos()["coffee"]
    cut = np.s_[60:200, 100:260]
    whole, part = webtoon(photo)[cut], webtoon(np.ascontiguousarray(photo[cut]))
    margin = np.s_[30:-30, 30:-30]  # four smoothings of 5 pixels and a line of 7 reach 27
    assert np.abs(whole[margin].astype(int) - part[margin]).max() <= 1
    assert not np.array_equal(whole, part)


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((8, 64, 3), np.uint8),
    ],
)
def test_webtoon_refuses_what_is_no_photograph(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="webtoon wants"):
        webtoon(photo)


@pytest.mark.parametrize("size", [32, 130])
def test_landscape_is_one_scene_in_two_lights(size: int) -> None:
    day, night = landscape(5, size, night=False), landscape(5, size, night=True)
    assert day.shape == night.shape == (size, size, 3)
    assert day.dtype == night.dtype == np.uint8
    assert np.array_equal(day, landscape(5, size, night=False))
    assert not np.array_equal(day, landscape(6, size, night=False))
    assert day.mean() > night.mean() + 60


def test_night_lights_windows_that_are_dark_by_day() -> None:
    for seed in range(4):
        day, night = (landscape(seed, 96, night=n)[48:, :, 0].astype(int) for n in (False, True))
        assert ((night > 200) & (day < 150)).sum() > 4


@pytest.mark.parametrize(("seed", "size"), [(-1, 64), (0, 8), (0, 5000)])
def test_landscape_refuses_bad_numbers(seed: int, size: int) -> None:
    with pytest.raises(ValueError, match="landscape wants"):
        landscape(seed, size, night=True)


def test_a_task_has_its_folders_and_nothing_else(task: Path) -> None:
    assert sorted(p.name for p in task.iterdir()) == FOLDERS
    for folder in FOLDERS:
        names = sorted(p.name for p in (task / folder).iterdir())
        assert names == [f"{k:04d}.png" for k in range(9 if "train" in folder else 10)]
        grey = task.name == "colours" and folder.endswith("A")
        assert {pixels(task / folder / n).shape for n in names} == {
            (48, 48) if grey else (48, 48, 3)
        }
    assert [p.name for p in task.parent.iterdir()] == [task.name]  # no temporary folder stays


def test_no_picture_comes_twice_across_roles(task: Path) -> None:
    a = contents(task)
    for one, other in (
        ("trainA", "testA"),
        ("trainA", "truthA"),
        ("trainB", "testB"),
        ("trainB", "truthB"),
        ("testA", "truthA"),
        ("testB", "truthB"),
    ):
        sides = [{v for k, v in a.items() if k.startswith(side)} for side in (one, other)]
        assert not sides[0] & sides[1], (one, other)


def test_a_task_is_a_function_of_its_seed(task: Path, tmp_path: Path) -> None:
    write = TASKS[task.name]
    write(tmp_path / "same", size=48, train=9, test=10, seed=3)
    write(tmp_path / "other", size=48, train=9, test=10, seed=4)
    assert contents(tmp_path / "same") == contents(task)
    assert not set(contents(tmp_path / "other").values()) & set(contents(task).values())


@pytest.mark.parametrize("task", ["webtoon"], indirect=True)
def test_truth_is_the_webtoon_of_the_held_out_photograph(task: Path) -> None:
    found = [photos()[name] for name in samples.PHOTOS_TEST]
    held = [np.concatenate([photo, webtoon(photo)], axis=2) for photo in found]
    for natural, drawn in (("testA", "truthB"), ("truthA", "testB")):
        for k in range(10):
            crop, drawing = (pixels(task / side / f"{k:04d}.png") for side in (natural, drawn))
            assert any(inside(np.concatenate([crop, drawing], axis=2), photo) for photo in held)


@pytest.mark.parametrize("task", ["colours"], indirect=True)
def test_colours_come_in_pairs_of_a_photograph_and_its_grey(task: Path) -> None:
    for a, b in (("trainA", "trainB"), ("testA", "truthB"), ("truthA", "testB")):
        for picture in (task / b).iterdir():
            grey = pixels(picture) @ LUMA
            assert (
                np.abs(grey - pixels(task / a / picture.name)).max() <= 1.5
            )  # rounded three times


def test_training_crops_are_of_their_own_photographs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photographs in one grey each: whatever a folder shows tells where it came from."""
    names = samples.PHOTOS_A + samples.PHOTOS_B + samples.PHOTOS_TEST
    greys = {name: np.uint8(30 + 35 * k) for k, name in enumerate(names)}
    flat = {name: np.full((300, 400, 3), grey) for name, grey in greys.items()}
    monkeypatch.setattr(samples, "photos", lambda: flat)
    monkeypatch.setattr(samples, "_recolour", lambda photo, like, rng: photo)
    monkeypatch.setattr(samples, "webtoon", lambda photo: photo)
    TASKS["webtoon"](tmp_path / "t", size=32, train=30, test=20)
    for folder, allowed in (
        ("trainA", samples.PHOTOS_A),
        ("trainB", samples.PHOTOS_B),
        ("testA", samples.PHOTOS_TEST),
        ("testB", samples.PHOTOS_TEST),
    ):
        shown = {int(pixels(f)[0, 0, 0]) for f in (tmp_path / "t" / folder).iterdir()}
        assert shown == {int(greys[name]) for name in allowed}


def test_recolouring_brings_photographs_to_one_palette() -> None:
    """The colours of those for training lie apart by nature, and close after recolouring."""
    found = photos()
    names = samples.PALETTES

    def per_sample(means: list[np.ndarray]) -> float:
        return float(np.ptp(means, axis=0).max())

    rng = np.random.default_rng(0)
    like = found["flower"]
    after = [
        np.mean([samples._recolour(found[n], like, rng).mean((0, 1)) for _ in range(8)], axis=0)
        for n in names
    ]
    assert per_sample([found[n].mean((0, 1)) for n in names]) > 60
    assert per_sample(after) < 30


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"size": 16}, "size"),
        ({"size": 9999}, "size"),
        ({"train": 0}, "train"),
        ({"test": 0}, "test"),
        ({"seed": -1}, "non-negative"),
    ],
)
def test_writers_refuse_bad_arguments(
    name: str, bad: dict[str, int], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        TASKS[name](tmp_path / "out", **{"train": 1, "test": 1, **bad})
    assert not list(tmp_path.iterdir())


def test_writers_refuse_a_full_folder_and_fill_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not an empty folder"):
        TASKS["daynight"](tmp_path / "full", size=32, train=1, test=1)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    TASKS["daynight"](tmp_path / "empty", size=32, train=1, test=1)
    assert sorted(p.name for p in (tmp_path / "empty").iterdir()) == FOLDERS


def test_a_failing_writer_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(photo: np.ndarray) -> np.ndarray:
        raise OSError("disk full")

    monkeypatch.setattr(samples, "webtoon", broken)
    with pytest.raises(OSError, match="disk full"):
        TASKS["webtoon"](tmp_path / "out", size=32, train=1, test=1)
    assert not list(tmp_path.iterdir())
