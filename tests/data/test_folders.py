"""Which folders hold which domain, and which files in them are images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwan.config import Pairing, PixelFormat
from hwan.data.folders import ImageFolder, Layout, evenly, list_images, locate
from hwan.errors import UsageError


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def test_one_folder_with_training_only(tmp_path: Path) -> None:
    root = folders(tmp_path, "trainA", "trainB")
    assert locate([root]) == Layout(ImageFolder(root / "trainA"), ImageFolder(root / "trainB"))


def test_one_folder_with_everything(tmp_path: Path) -> None:
    names = ("trainA", "trainB", "testA", "testB", "truthA", "truthB")
    root = folders(tmp_path, *names)
    assert locate([root]) == Layout(*(ImageFolder(root / name) for name in names))


def test_what_is_absent_is_none(tmp_path: Path) -> None:
    layout = locate([folders(tmp_path, "trainA", "trainB", "testB", "truthA")])
    assert layout.test_a is None
    assert layout.truth_b is None
    assert layout.test_b == ImageFolder(tmp_path / "testB")
    assert layout.truth_a == ImageFolder(tmp_path / "truthA")


def test_two_folders_are_a_and_b(tmp_path: Path) -> None:
    folders(tmp_path, "x", "y")
    assert locate([tmp_path / "y", tmp_path / "x"]) == Layout(
        ImageFolder(tmp_path / "y"), ImageFolder(tmp_path / "x")
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        locate([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file"):
        locate([tmp_path, tmp_path / "file"])


def test_a_folder_without_domains_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none"):
        locate([tmp_path])
    with pytest.raises(UsageError, match="horses, trainA"):
        locate([folders(tmp_path, "trainA", "horses")])


@pytest.mark.parametrize("count", [0, 3])
def test_another_count_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} folders"):
        locate([tmp_path] * count)


def test_images_at_any_depth_in_order(tmp_path: Path) -> None:
    folders(tmp_path, "sub/deep", ".hidden", "dir.png")
    wanted = ["a.JPG", "b.jpeg", "sub/a.webp", "sub/deep/z.tiff", "z.png"]
    unwanted = ["notes.txt", ".dot.png", ".hidden/x.png", "png", "noext", "sub/list.csv"]
    for name in [*reversed(wanted), *unwanted]:
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in list_images(tmp_path)] == wanted


def test_a_data_set_below_a_hidden_folder_is_seen(tmp_path: Path) -> None:
    root = folders(tmp_path / ".cache", "trainA") / "trainA"
    (root / "a.png").touch()
    assert list_images(root) == (root / "a.png",)


def test_an_empty_folder_has_no_images(tmp_path: Path) -> None:
    assert list_images(tmp_path) == ()


def test_pairs_by_name_know_their_truth(tmp_path: Path) -> None:
    root = folders(tmp_path, "trainA", "trainB", "testA", "testB")
    layout = locate([root], "names")
    assert layout.truth_b == ImageFolder(root / "testB")
    assert layout.truth_a == ImageFolder(root / "testA")


def test_pairs_side_by_side_and_swapped(tmp_path: Path) -> None:
    root = folders(tmp_path, "train", "val")
    layout = locate([root], "sides")
    assert layout.train_a == ImageFolder(root / "train", "left")
    assert layout.truth_b == ImageFolder(root / "val", "right")
    assert locate([root], "sides", swap=True).train_a == ImageFolder(root / "train", "right")
    folders(root, "test")
    assert locate([root], "sides").test_a == ImageFolder(root / "test", "left")


def test_one_plain_folder_is_both_domains_of_itself(tmp_path: Path) -> None:
    layout = locate([tmp_path], "self")
    assert layout.train_a == layout.train_b == ImageFolder(tmp_path)
    assert layout.test_a is None
    with pytest.raises(UsageError, match="one folder for --data"):
        locate([tmp_path, tmp_path], "self")


def test_pairs_beside_unpaired_images(tmp_path: Path) -> None:
    root = folders(tmp_path, "trainA", "trainB", "pairedA", "pairedB")
    assert locate([root]).paired_b == ImageFolder(root / "pairedB")


def test_sides_are_the_halves_of_a_file(tmp_path: Path) -> None:
    picture = np.zeros((10, 21, 3), np.uint8)
    picture[:, :10], picture[:, 11:] = 50, 200
    Image.fromarray(picture).save(tmp_path / "x.png")
    left, right = (
        ImageFolder(tmp_path, view).read(tmp_path / "x.png", PixelFormat())
        for view in ("left", "right")
    )
    assert left.pixels.shape == right.pixels.shape == (10, 10, 3)
    assert (left.pixels == 50).all()
    assert (right.pixels == 200).all()


def test_one_folder_as_both_domains_is_refused(tmp_path: Path) -> None:
    folders(tmp_path, "x")
    pairings: tuple[Pairing, ...] = ("none", "names")
    for pairing in pairings:
        with pytest.raises(UsageError, match="two different folders"):
            locate([tmp_path / "x", tmp_path / "x" / ".." / "x"], pairing)


@pytest.mark.parametrize(
    ("items", "count", "chosen"),
    [
        ("abcdefghij", 3, "adg"),
        ("abcdefghij", 4, "acfh"),
        ("abc", 3, "abc"),
        ("abc", 9, "abc"),
        ("abc", 0, ""),
        ("", 4, ""),
    ],
)
def test_evenly_chosen_items(items: str, count: int, chosen: str) -> None:
    assert "".join(evenly(items, count)) == chosen
