"""The page in a browser: layout, sliders, scrubber, lists, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import chromium, opened
from hwan.report.page import write
from report_pages import NASTY, full


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(full(NASTY, count=26), tmp_path_factory.mktemp("report") / "r.html")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("javascript", [True, False])
def test_nothing_sticks_out(browser: Any, example: Path, width: int, javascript: bool) -> None:
    with opened(browser, example, width, javascript=javascript, dark=javascript) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(
            "[...document.images].every((i) => i.getBoundingClientRect().right <= innerWidth)"
        )


def test_the_two_colour_schemes_differ(browser: Any, example: Path) -> None:
    look = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, example) as light, opened(browser, example, dark=True) as dark:
        assert light.evaluate(look) != dark.evaluate(look)


def test_the_scrubber_shows_one_frame_at_a_time(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        frames, scrubber = page.locator(".frames figure"), page.locator(".frames input")
        assert [f.is_visible() for f in frames.all()] == [False] * 4 + [True]
        scrubber.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert [f.is_visible() for f in frames.all()] == [False, True, False, False, False]
        assert page.locator(".frames output").inner_text() == f"{NASTY} 1"
        assert scrubber.get_attribute("aria-valuetext") == f"{NASTY} 1"


def test_frames_play_to_the_end(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        play, scrubber = page.locator(".frames button"), page.locator(".frames input")
        scrubber.fill("3")
        play.click()
        assert play.inner_text() == "Pause"
        play.filter(has_text="Play").wait_for()
        assert scrubber.input_value() == "4"


def test_the_slider_moves_by_keyboard_pointer_and_all_at_once(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        stage = page.locator(".stage").first
        slider = stage.locator("input")
        edge = "(e) => getComputedStyle(e.querySelector('.before')).clipPath"
        start = stage.evaluate(edge)
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert slider.input_value() == "51"
        assert stage.evaluate(edge) != start
        box = stage.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
        page.mouse.up()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
        assert slider.input_value() == "20"
        page.get_by_role("button", name="All after").click()
        values = page.locator(".stage input").evaluate_all("(all) => all.map((i) => i.value)")
        assert set(values) == {"0"}


def test_long_lists_unfold(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        last = page.locator(".compare figure").last
        assert not last.is_visible()
        page.get_by_role("button", name="Show all 26").click()
        assert last.is_visible()


def names(page: Any) -> list[str]:
    figures = page.locator(".compare figure").all()
    return [figure.get_attribute("data-name") for figure in figures if figure.is_visible()]


def test_test_images_are_sorted_by_a_figure_and_found_by_name(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        assert names(page)[:2] == [f"{NASTY} 0", f"{NASTY} 1"]
        page.locator(".compare .sort").select_option(index=1)  # the first figure, high to low
        assert names(page)[0] == f"{NASTY} 3"
        page.locator(".compare .sort").select_option(index=2)
        assert names(page)[0] == f"{NASTY} 25"
        page.locator(".compare .sort").select_option(index=3)  # nan everywhere: as they were
        assert names(page)[:2] == [f"{NASTY} 0", f"{NASTY} 1"]
        page.locator(".compare .find").fill("png 25")
        assert names(page) == [f"{NASTY} 25"]  # beyond the first 24, which are shown at first
        page.locator(".compare .find").fill("")
        assert len(names(page)) == 24


def test_the_plot_reads_out_under_the_pointer(browser: Any, example: Path) -> None:
    with opened(browser, example) as page:
        for section in (".curves", ".charts"):
            plot_, cell = (page.locator(f"{section} {x}") for x in (".plot", ".legend tbody td"))
            plot_.scroll_into_view_if_needed()
            box = plot_.bounding_box()
            page.mouse.move(box["x"] + 1, box["y"] + 50)
            assert cell.last.inner_text() == "90"
            page.mouse.move(0, 0)
            assert cell.last.inner_text() == ""


def test_without_javascript_everything_is_there(browser: Any, example: Path) -> None:
    with opened(browser, example, javascript=False) as page:
        pictures = page.locator("img").all()
        assert len(pictures) == 5 + 26 * 3 + 5
        assert all(picture.is_visible() for picture in pictures)
        before, after = (page.locator(f".stage .{k} img").first for k in ("before", "after"))
        left, right = before.bounding_box(), after.bounding_box()
        assert left["x"] + left["width"] <= right["x"]
        assert not page.locator("input, button").first.is_visible()
