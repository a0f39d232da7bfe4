"""Data sets built with each fault in turn, and one without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwan.data.check import Broken, check, describe
from hwan.data.folders import ImageFolder, Layout, locate
from hwan.imaging.pixels import Pixels, encode, save


def picture(seed: int, height: int = 6, width: int = 8) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A faultless data set: two images in each folder, a truth for each of testA."""
    for k, name in enumerate(("trainA", "trainB", "testA", "testB", "truthB")):
        for i in range(2):
            save(picture(10 * k + i), tmp_path / name / f"{i}.png")
    return tmp_path


def test_a_clean_data_set_has_no_problems(root: Path) -> None:
    findings = check(locate([root]))
    assert findings.clean
    assert findings.problems == ()
    roles = ["train A", "train B", "test A", "test B", "truth B"]
    assert [folder.role for folder in findings.folders] == roles
    for folder in findings.folders:
        assert (folder.images, len(folder.readable)) == (2, 2)
        assert (folder.redundant, folder.ignored) == (0, 0)
    assert describe(findings).endswith("no problems")


def test_histograms_notes_and_sides(root: Path) -> None:
    save(picture(90, 20, 10), root / "trainA" / "2.png")
    see_through = Image.fromarray(picture(91)).convert("RGBA")
    see_through.putalpha(100)
    see_through.save(root / "trainA" / "3.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(92, 40, 30)).save(root / "trainA" / "4.png", exif=exif)
    save(picture(93)[..., :1], root / "trainA" / "sub" / "5.png")
    (root / "trainA" / "notes.txt").write_text("x")
    (root / "trainA" / ".hidden.png").write_text("x")
    findings = check(locate([root]))
    folder = findings.folders[0]
    assert (folder.images, folder.ignored) == (6, 2)
    assert findings.clean
    text = describe(findings)
    for words in (
        "8x6 (4), 10x20 (1), 40x30 (1)",
        "6 to 30 pixels, median 6",
        "modes: RGB (4), RGBA (1), L (1)",
        "decoding: alpha composited over white (1), turned by its EXIF orientation (1)",
        "ignored: 2 files",
    ):
        assert words in text


def test_broken_files_are_named_with_the_reason(root: Path) -> None:
    (root / "testB" / "bad.jpg").write_text("no image")
    cut = root / "trainB" / "cut.png"
    cut.write_bytes(encode(picture(1, 64, 64))[:500])
    findings = check(locate([root]))
    train_b, test_b = findings.folders[1], findings.folders[3]
    assert test_b.broken == (Broken(root / "testB" / "bad.jpg", "not an image, or cut short"),)
    assert [broken.path for broken in train_b.broken] == [cut]
    assert train_b.broken[0].reason
    assert (train_b.images, len(train_b.readable)) == (3, 2)
    assert [p.split(" has ")[0] for p in findings.problems] == ["train B", "test B"]
    assert not findings.clean
    assert str(cut) in describe(findings)


def test_duplicates_are_of_pixels_not_of_bytes(root: Path) -> None:
    folder = root / "trainA"
    save(picture(0), folder / "wrapped.bmp")
    save(picture(0), folder / "again.png")
    save(picture(1), folder / "one.tif")
    save(picture(0).reshape(8, 6, 3), folder / "same bytes, other shape.png")
    findings = check(locate([root]))
    groups = [[path.name for path in group] for group in findings.folders[0].duplicates]
    assert groups == [["0.png", "again.png", "wrapped.bmp"], ["1.png", "one.tif"]]
    assert findings.folders[0].redundant == 3
    assert findings.clean  # they only weigh more
    assert "3 redundant files, in 2 groups" in describe(findings)
    assert "0.png = again.png = wrapped.bmp" in describe(findings)


@pytest.mark.parametrize(
    ("train", "test", "k"),
    [("trainA", "testA", 20), ("trainB", "testB", 30), ("trainB", "truthB", 40)],
)
def test_leaks_are_found(root: Path, train: str, test: str, k: int) -> None:
    save(picture(k), root / train / "leak.bmp")
    findings = check(locate([root]))
    assert findings.leaks == ((root / train / "leak.bmp", root / test / "0.png"),)
    assert findings.crossed == ()
    assert len(findings.problems) == 1
    assert "1 training image also in" in findings.problems[0]
    assert "leak.bmp" in describe(findings)


def test_a_truth_equal_to_a_test_image_of_its_domain_is_no_leak(root: Path) -> None:
    save(picture(40), root / "testB" / "0.png")
    assert check(locate([root])).clean


def test_a_picture_in_both_domains_is_found(root: Path) -> None:
    save(picture(0), root / "trainB" / "same.png")
    findings = check(locate([root]))
    assert findings.crossed == ((root / "trainA" / "0.png", root / "trainB" / "same.png"),)
    assert findings.leaks == ()
    assert not findings.clean
    assert "both domains" in findings.problems[0]


def test_a_leak_into_the_other_domain_is_both(root: Path) -> None:
    save(picture(30), root / "trainA" / "2.png")
    findings = check(locate([root]))
    assert findings.leaks == findings.crossed
    assert findings.leaks == ((root / "trainA" / "2.png", root / "testB" / "0.png"),)


def test_empty_and_single_domains(root: Path) -> None:
    (root / "trainA" / "0.png").unlink()
    for path in (root / "trainB").iterdir():
        path.unlink()
    findings = check(locate([root]))
    assert "train A has only one image" in findings.problems[0]
    assert "train B has no image" in findings.problems[1]
    assert findings.folders[1].readable == ()
    (root / "testB" / "0.png").unlink()
    assert len(check(locate([root])).problems) == 2  # one test image is enough


def test_truth_names_have_a_test_image(root: Path) -> None:
    (root / "truthB" / "0.png").rename(root / "truthB" / "other.png")
    findings = check(locate([root]))
    assert findings.unmatched == (root / "truthB" / "other.png",)
    assert "1 truth file" in findings.problems[0]
    layout = Layout(
        ImageFolder(root / "trainA"),
        ImageFolder(root / "trainB"),
        truth_a=ImageFolder(root / "truthB"),
    )
    assert len(check(layout).unmatched) == 2  # no test folder at all


def test_long_lists_are_cut(root: Path) -> None:
    for i in range(9):
        (root / "trainA" / f"bad{i}.png").touch()
    text = describe(check(locate([root])))
    assert "bad4.png" in text
    assert "bad5.png" not in text
    assert "and 4 more" in text


def test_validation_images_are_checked_too(root: Path) -> None:
    save(picture(70), root / "valA" / "0.png")
    save(picture(80), root / "valB" / "0.png")
    save(picture(0), root / "valA" / "1.png")  # also in trainA
    findings = check(locate([root]))
    assert [folder.role for folder in findings.folders][-2:] == ["val A", "val B"]
    assert findings.leaks == ((root / "trainA" / "0.png", root / "valA" / "1.png"),)
    assert findings.crossed == ()
