"""Pictures on the page: window, zoom and pan by mouse, keys and controls; views side by side that follow each other."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from support_page import open_page, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

# The grey in the middle of the first picture, once it is drawn.
GREY = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const canvas = document.querySelector(".pane canvas");
  done(canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0]);
})))"""


def show(page: "Page", *names: str) -> None:
    open_page(page)
    page.set_input_files("#files", [upload(name, number) for number, name in enumerate(names)])
    expect(page.locator(".pane")).to_have_count(len(names))
    expect(page.locator("#findings .scores")).to_be_visible()


def display(page: "Page", number: int = 0) -> tuple[int, int, int]:
    """Level, width and zoom of a view, as they are told to people who cannot see it."""
    told = page.locator(".pane canvas").nth(number).get_attribute("aria-label") or ""
    level, width, zoom = map(int, re.findall(r"(?:level|width|zoom) (-?\d+)", told))
    return level, width, zoom


def test_dragging_changes_level_and_width_or_pans(page: "Page") -> None:
    show(page, "chest.png")
    level, width, zoom = display(page)
    page.mouse.move(500, 400)
    page.mouse.down()
    page.mouse.move(400, 450)
    page.mouse.up()
    dragged = display(page)
    assert dragged[0] > level
    assert dragged[1] < width
    assert dragged[2] == zoom == 100
    page.mouse.move(500, 400)
    page.mouse.wheel(0, -400)
    expect(page.locator("#zoom")).to_have_text("182 %")  # exp(0.6)
    before = page.screenshot()
    page.check("[name=drag][value=pan]", force=True)
    page.mouse.down()
    page.mouse.move(600, 500)
    page.mouse.up()
    assert display(page)[:2] == dragged[:2]
    page.evaluate(GREY)
    assert page.screenshot() != before


def test_the_picture_is_what_its_window_says(page: "Page") -> None:
    show(page, "chest.png")
    stored = page.evaluate(GREY)
    page.click("#invert")
    assert page.evaluate(GREY) == 255 - stored
    page.click("#invert")
    for value, grey in ((0, 255), (1000, 0)):
        page.fill("#width", "1")
        page.fill("#level", str(value))
        assert page.evaluate(GREY) == grey
    expect(page.locator("#preset")).to_have_value("By hand")
    page.click("#reset")
    assert page.evaluate(GREY) == stored
    expect(page.locator("#preset")).to_have_value("As stored")


def test_presets_are_shares_of_the_pictures_own_values(page: "Page") -> None:
    show(page, "chest.png")
    page.select_option("#preset", "Whole range")
    assert page.locator("#preset option").all_inner_texts()[0] == "As stored"
    level, width, _ = display(page)
    half = page.locator("#preset option").count()
    page.select_option("#preset", "Dark part (1–60 %)")
    dark = display(page)
    page.select_option("#preset", "Bright part (40–99.5 %)")
    bright = display(page)
    assert half == 5
    assert dark[0] < level < bright[0]
    assert max(dark[1], bright[1]) < width


def test_all_is_done_by_keys(page: "Page") -> None:
    show(page, "chest.png")
    level, width, _ = display(page)
    page.focus(".pane canvas")
    for key in ("Shift+ArrowDown", "Shift+ArrowLeft", "+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    changed = display(page)
    assert changed[0] > level
    assert changed[1] < width
    assert changed[2] == 156
    page.keyboard.press("i")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("0")
    assert display(page)[2] == 100
    page.keyboard.press("r")
    assert display(page) == (level, width, 100)


def test_views_follow_each_other_on_wish(page: "Page") -> None:
    show(page, "pa.png", "side.png")
    page.focus(".pane canvas >> nth=0")
    page.keyboard.press("+")
    assert [display(page, number)[2] for number in (0, 1)] == [125, 100]
    page.click("#synchronise")
    assert [display(page, number)[2] for number in (0, 1)] == [125, 125]
    page.focus(".pane canvas >> nth=1")
    page.keyboard.press("+")
    page.keyboard.press("i")
    assert display(page, 0)[2] == display(page, 1)[2] == 156
    assert all("inverted" in (one.get_attribute("aria-label") or "") for one in page.locator(".pane canvas").all())


def test_at_most_four_views_stand_side_by_side(page: "Page") -> None:
    show(page, *"abcd")
    page.set_input_files("#files", upload("e.png"))
    fifth = page.locator("#thumbnails .view").nth(4)
    expect(fifth).to_have_attribute("aria-pressed", "false")
    expect(fifth).to_be_enabled()
    expect(page.locator("#status")).to_have_text("4 findings from 5 pictures.")  # nothing is said after that
    fifth.click()
    expect(page.locator("#status")).to_contain_text("At most 4 views stand side by side")
    page.locator("#thumbnails .view").nth(0).click()
    fifth.click()
    expect(page.locator(".pane figcaption span")).to_have_text(["b", "c", "d", "e.png"])
    page.locator("[aria-label='Remove e.png']").click()
    expect(page.locator(".pane")).to_have_count(3)


def test_two_fingers_zoom(page: "Page") -> None:
    show(page, "chest.png")
    page.locator(".pane canvas").evaluate(
        """(canvas) => {
          const send = (kind, id, x) => canvas.dispatchEvent(
            new PointerEvent(kind, { pointerId: id, clientX: x, clientY: 400, pointerType: "touch", bubbles: true }));
          canvas.setPointerCapture = () => {}; // made-up pointers cannot be captured
          send("pointerdown", 11, 450);
          send("pointerdown", 12, 550);
          send("pointermove", 12, 650);
          send("pointerup", 11, 450);
          send("pointerup", 12, 650);
        }"""
    )
    assert display(page)[2] == 200


def test_grey_is_linear_within_the_window(page: "Page") -> None:
    open_page(page)
    found = page.evaluate(
        """async () => {
          const { develop } = await import("/static/picture.js");
          const pixels = new ImageData(5, 1);
          develop({ values: new Uint16Array([0, 1000, 1500, 2000, 65535]) }, { level: 1500, width: 1000 }, pixels);
          return [...pixels.data];
        }"""
    )
    assert np.reshape(found, (5, 4)).tolist() == [[grey, grey, grey, 255] for grey in (0, 0, 128, 255, 255)]


def test_on_a_phone_there_is_room_for_a_finger_that_scrolls(page: "Page") -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for views in ("ab", "abc", "abcd"):
        show(page, *views)
        box = page.locator("#stage").bounding_box()
        assert box is not None
        assert box["height"] < 0.85 * 844
        last = page.locator(".pane").last.bounding_box()
        assert last is not None
        assert last["height"] > 300
        assert last["y"] + last["height"] == pytest.approx(box["y"] + box["height"], abs=1)
        page.unroute_all()
