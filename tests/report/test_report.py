"""Reports: what the text of a page holds, and what a browser makes of it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hwan.report import page as module
from hwan.report.chart import Curves, plot
from hwan.report.format import format_number
from hwan.report.page import render, write
from hwan.report.sections import (
    Charts,
    Check,
    Checks,
    Compare,
    CompareItem,
    Facts,
    Frames,
    Gallery,
    Report,
    Table,
)
from report_pages import NASTY, full, page_of, photos


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_the_caller_says_becomes_markup() -> None:
    plain, nasty = Tags(render(full("x"))).found, Tags(render(full(NASTY))).found
    assert [tag for tag, _ in nasty] == [tag for tag, _ in plain]
    assert not any(key.startswith("on") for _, attributes in nasty for key in attributes)
    assert "{{ 7 * 7 }}" in render(full(NASTY))


def test_the_page_refers_to_nothing_outside_itself() -> None:
    page = render(full())
    for tag, attributes in Tags(page).found:
        for key in ("src", "href", "srcset", "action"):
            assert (attributes.get(key) or "#").startswith(("#", "data:")), (tag, attributes[key])
    assert "url(" not in page
    assert "@import" not in page


def test_headings_name_their_sections_and_pictures_have_words() -> None:
    tags = Tags(render(full())).found
    ids = {a["id"] for _, a in tags if "id" in a}
    for _, attributes in tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    assert all(a.get("alt") for tag, a in tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in tags if tag == "input")
    assert all(a.get("aria-label") or a.get("aria-hidden") for tag, a in tags if tag == "svg")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (True, "yes"),
        ("words", "words"),
        (0, "0"),
        (1234567, "1,234,567"),
        (0.0, "0"),
        (41.23912, "41.24"),
        (0.051234, "0.05123"),
        (-3.14159, "-3.142"),
        (12345.6, "12,346"),
        (2e-7, "2.000e-7"),
        (1.5e9, "1.500e9"),
        (float("nan"), "NaN"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (np.float32(0.5), "0.5000"),
        (np.int64(5), "5"),
    ],
)
def test_numbers_read_well(value: Any, text: str) -> None:
    assert format_number(value) == text


def best_cells(page: str) -> list[str]:
    return re.findall(r'class="[^"]*best">([^<]*)<span class="away"> \(best\)', page)


def test_the_best_of_a_column_is_marked_in_words() -> None:
    rows = (("a", 1.0, 0.5, 9), ("b", 3.0, None, 9), ("c", float("nan"), 0.9, 9))
    columns = ("model", "high", "low", "same")
    page = page_of(Table("t", columns, rows, "", {"high": "high", "low": "low", "same": "low"}))
    assert best_cells(page) == ["0.5000", "3.000"]  # row by row; where all are equal none is best
    assert "NaN" in page
    assert 'title="not available"' in page


def test_rows_aside_do_not_compete() -> None:
    rows = (("a", 1.0), ("real", 0.1), ("b", 2.0))
    page = page_of(Table("t", ("system", "FID"), rows, better={"FID": "low"}, aside=("real",)))
    assert best_cells(page) == ["1.000"]


def test_a_fixed_number_of_decimals() -> None:
    page = page_of(Table("t", ("m", "KID"), (("a", 0.012345), ("b", 120.0)), decimals={"KID": 3}))
    assert ">0.012<" in page
    assert ">120.000<" in page


def test_checks_say_their_light_in_words_and_what_to_do_where_it_is_not_good() -> None:
    def check(light: Any) -> Check:
        return Check("Diversity", "meaning", "0.4 or more", (("A to B", 0.5, light),), "lower it")

    for light in ("bad", "watch"):
        page = page_of(Checks("h", (check(light),)))
        assert f"</svg>{light}</span>" in page
        assert "What to do:</b> lower it." in page
    assert "What to do" not in page_of(Checks("h", (check("good"),)))


def test_options_in_advice_are_code_and_nothing_else_is_markup() -> None:
    page = render(Report("t", "s", "bad", (), alerts=("<b>lower</b> --train.lr, or --loss.r1 1",)))
    assert "&lt;b&gt;lower&lt;/b&gt; <code>--train.lr</code>, or <code>--loss.r1</code> 1" in page


def test_configuration_is_grouped_by_section() -> None:
    page = page_of(
        Facts("c", {f"data.{i}": "x" for i in range(7)} | {f"train.{i}": "y" for i in range(7)})
    )
    assert page.count("<h3>data</h3>") == page.count("<h3>train</h3>") == 1
    assert "14 entries" in page
    assert "<h3>" not in page_of(Facts("c", {"my file.png": "x"}))


def test_cells_that_read_the_same_are_marked_the_same() -> None:
    table = Table("t", ("a",), ((1.00001,), (1.00002,), (2.0,)), better={"a": "low"})
    assert best_cells(page_of(table)) == ["1.000", "1.000"]


def test_a_column_keeps_one_number_of_decimals() -> None:
    page = page_of(Table("t", ("m", "FID"), (("a", 128.43), ("b", 41.2391))))
    assert ">128.4<" in page
    assert ">41.2<" in page


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 2 cells"):
        page_of(Table("t", ("a", "b"), ((1,),)))
    with pytest.raises(ValueError, match="names no column"):
        page_of(Table("t", ("a",), ((1,),), better={"b": "low"}))


def stored(picture: np.ndarray) -> tuple[str, Image.Image, str]:
    page = page_of(Gallery("g", (("p", picture),)))
    found = re.search(r'<img src="data:image/(\w+);base64,([^"]+)"[^>]*>', page)
    assert found
    return found[1], Image.open(io.BytesIO(base64.b64decode(found[2]))), found[0]


@pytest.mark.parametrize("shape", [(128, 100), (128, 100, 1), (128, 100, 3)])
def test_small_pictures_are_kept_exactly(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    kind, image, tag = stored(picture)
    assert kind == "png"
    assert "crisp" in tag
    assert np.array_equal(np.asarray(image), picture.reshape(np.asarray(image).shape))


def test_large_pictures_are_webp_unless_they_have_few_colours() -> None:
    picture = photos(1)[0]
    kind, image, tag = stored(picture)
    assert kind == "webp"
    assert "crisp" not in tag
    assert image.size == (256, 256)
    assert np.abs(np.asarray(image).astype(int) - picture).mean() < 8
    labels = picture // 128 * 255
    kind, image, _ = stored(labels)
    assert kind == "png"
    assert np.array_equal(np.asarray(image), labels)
    assert stored(np.tile(picture[:64], (1, 12, 1)))[1].size == (2048, 43)  # from 3072 x 64


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not a picture"):
        page_of(Gallery("g", (("p", array),)))


def test_260_test_images_stay_under_10_mb(tmp_path: Path) -> None:
    pictures = photos(520)
    items = tuple(
        CompareItem(f"{i}.jpg", a, b)
        for i, (a, b) in enumerate(zip(pictures[::2], pictures[1::2], strict=True))
    )
    path = write(Report("t", "s", "good", (Compare("c", items),)), tmp_path / "r.html")
    assert path.stat().st_size < 10e6
    assert "WebP at quality 80" in path.read_text(encoding="utf-8")


def test_quality_gives_way_to_size_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery("g", tuple((str(i), p) for i, p in enumerate(photos(8))))
    best = page_of(gallery)
    assert "WebP at quality 80" in best
    monkeypatch.setattr(module, "PAGE_LIMIT", len(best) - 1)
    assert "WebP at quality 65" in page_of(gallery)
    monkeypatch.setattr(module, "PAGE_LIMIT", 1)
    assert "WebP at quality 50" in page_of(gallery)


def paths(page: str) -> list[str]:
    return re.findall(r'<path class="s\d d\d" d="(M[^"]*)"/>\n', page)


def test_curves_break_where_values_are_not_finite() -> None:
    points = ((0, 1.0), (1, 2.0), (2, float("nan")), (3, 1.0), (4, float("inf")), (5, 2.0))
    page = page_of(Curves("c", {"a": points}))
    assert paths(page)[0].count("M") == 3
    assert "points missing: 2" in page
    page = page_of(Curves("c", {"a": ((0, 1.0), (1, 0.0), (2, 10.0))}, log_y=True))
    assert paths(page)[0].count("M") == 2
    assert "(log scale)" in page


def test_long_curves_are_thinned_without_losing_a_spike() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    values[31_234] = 99.0
    page = page_of(Curves("c", {"a": tuple(enumerate(values.tolist()))}))
    assert len(page) < 80_000
    assert "31234.0, 99.0" in page
    assert paths(page)[0].count("L") < 420


def test_a_smoothed_curve_shows_its_points_faintly() -> None:
    values = [float(i % 2) for i in range(101)]
    page = page_of(Charts("c", (Curves("a", {"a": tuple(enumerate(values))}, smooth=20),)))
    faint, drawn = re.findall(r'<path class="s0 d0( faint)?" d="(M[^"]*)"/>\n', page)
    assert (faint[0], drawn[0]) == (" faint", "")
    heights = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)(?=[Lh])", drawn[1])]
    assert (
        max(heights[10:-10]) - min(heights[10:-10]) < 100
    )  # of 1000; the points jump by all of it


def test_smoothing_keeps_a_straight_line_and_the_ends() -> None:
    line = tuple((float(x), 2.0 * x) for x in range(30))
    plain, smooth = (plot(Curves("c", {"a": line}, smooth=n))["lines"][0]["path"] for n in (0, 9))
    assert plain == smooth


def test_each_of_many_curves_has_its_own_look() -> None:
    page = page_of(Curves("c", {str(i): ((0, i), (1, i)) for i in range(30)}))
    looks = re.findall(r'<path class="(s\d d\d)" d="M\d[^"]*L', page)
    assert len(looks) == len(set(looks)) == 30


@pytest.mark.parametrize("points", [(), ((0.0, float("nan")),)])
def test_nothing_to_draw_is_said(points: tuple[tuple[float, float], ...]) -> None:
    assert "nothing to draw" in page_of(Curves("c", {"a": points}, threshold=(1.0, "t")))


def test_nothing_at_all_is_fine() -> None:
    assert "no pictures" in page_of(
        Frames("f", ()), Gallery("g", ()), Compare("c", ()), Facts("f", {}), Table("t", (), ())
    )


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@settings(deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8),
    st.booleans(),
    st.one_of(st.none(), st.tuples(NUMBERS, st.just("limit"))),
)
def test_any_numbers_land_inside_the_plot(
    points: list[tuple[float, float]], log: bool, limit: tuple[float, str] | None
) -> None:
    view = plot(Curves("c", {"a": tuple(points)}, log_y=log, threshold=limit))
    for line in view["lines"]:
        numbers = [float(n) for n in re.findall(r"[-\d.e+]+", line["path"].replace("h0", ""))]
        assert all(-0.2 <= n <= 1000.2 for n in numbers)
    for at, text in [*view.get("x_ticks", ()), *view.get("y_ticks", ())]:
        assert -0.1 <= at <= 100.1
        assert len(text) < 18
    assert len(view.get("y_ticks", ())) <= 12


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.html"
    assert write(full(), path) == path
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not a picture"):
        write(Report("t", "", "bad", (Gallery("g", (("p", np.zeros(3)),)),)), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["r.html"]


def test_a_file_name_that_is_not_utf8_can_be_written(tmp_path: Path) -> None:
    path = write(full("caf\udce9.png"), tmp_path / "r.html")
    assert "caf?.png" in path.read_text(encoding="utf-8")


def test_a_page_is_the_same_each_time() -> None:
    assert render(full()) == render(full())
