"""What goes wrong is told in the server's sentence, can be tried again, and never replaces what is newer."""

from typing import TYPE_CHECKING, Any

import pytest

from support_page import (
    LIMITS,
    MODEL,
    classification,
    classify,
    explain,
    open_page,
    picture,
    refuses,
    says,
    upload,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
Form = dict[str, list[Any]]


def test_a_refusal_is_told_and_tried_again(page: "Page") -> None:
    answers = [classify, refuses(429, "Eight requests wait already: try again in a second.")]

    def in_turn(route: "Route", form: Form) -> None:
        answers.pop()(route, form)

    open_page(page, {"/api/classify": in_turn})
    page.set_input_files("#files", upload())
    told = page.locator("#findings [role=alert]")
    expect(told).to_contain_text("Eight requests wait already: try again in a second.")
    expect(page.locator("#status")).to_be_empty()  # not also "Reading 1 file"
    told.get_by_role("button").click()
    expect(page.locator(".scores li")).to_have_count(4)


def test_a_file_that_is_no_picture_is_named_and_the_others_are_asked(page: "Page") -> None:
    def read(route: "Route", form: Form) -> None:
        name = form["images"][0][0]
        (refuses(415, f"{name} is in no known image format: give PNG, JPEG or DICOM.") if name == "a.txt" else picture)(
            route, form
        )

    asked = open_page(page, {"/api/picture": read})
    page.set_input_files("#files", [{"name": "a.txt", "mimeType": "text/plain", "buffer": b"no"}, upload("b.png")])
    expect(page.locator(".unread")).to_contain_text("a.txt is in no known image format")
    expect(page.locator(".scores")).to_be_visible()
    assert [[name for name, _ in form["images"]] for form in asked.of("/api/classify")] == [["b.png"]]
    assert page.locator(".unread").get_by_role("button", name="Try again").count() == 0
    page.click("[aria-label='Remove b.png']")
    expect(page.locator("#findings")).to_contain_text("None of the files could be read as a picture.")


def test_a_picture_that_found_no_place_in_the_queue_is_read_later(page: "Page") -> None:
    answers = [picture, refuses(429, "The queue is full: try again in a second.")]

    def in_turn(route: "Route", form: Form) -> None:
        answers.pop()(route, form)

    open_page(page, {"/api/picture": in_turn})
    page.set_input_files("#files", upload("a.png"))
    expect(page.locator(".unread")).to_contain_text("a.png: The queue is full")
    page.locator(".unread").get_by_role("button", name="Try again").click()
    expect(page.locator(".scores")).to_be_visible()


def test_too_much_is_told_before_it_is_sent(page: "Page") -> None:
    asked = open_page(page, {"/api/model": says(**(MODEL | {"limits": LIMITS | {"files": 1, "file_bytes": 2**20}}))})
    expect(page.locator("#model")).to_contain_text("A tiny model")
    page.set_input_files("#files", {"name": "huge.png", "mimeType": "image/png", "buffer": bytes(2**20 + 1)})
    expect(page.locator("#status")).to_have_text("Left out: huge.png is larger than 1 MiB.")
    page.set_input_files("#files", [upload("a.png"), upload("b.png")])
    expect(page.locator("#thumbnails .view")).to_have_count(1)
    expect(page.locator(".scores")).to_be_visible()
    expect(page.locator("#thumbnails .unread")).to_have_text("Left out: a study has at most 1 pictures.")
    page.click("#clear")
    expect(page.locator("#thumbnails li")).to_have_count(0)
    assert [form["images"][0][0] for form in asked.of("/api/picture")] == ["a.png"]


def test_an_older_answer_never_replaces_a_newer(page: "Page") -> None:
    waiting: list[tuple[Route, Form]] = []
    open_page(page, {"/api/classify": lambda route, form: waiting.append((route, form))})
    page.set_input_files("#files", upload("a.png"))
    expect(page.locator("#findings")).to_contain_text("Asking the model")
    page.set_input_files("#files", upload("b.png"))
    expect(page.locator("#thumbnails canvas")).to_have_count(2)
    while len(waiting) < 2:
        page.evaluate("() => 0")  # lets the browser's messages in
    for (route, _), score in zip(reversed(waiting), (0.2, -0.2), strict=True):
        one = classification("study", {"Edema": score})
        route.fulfill(json={"study": one, "images": [one, one]})
    expect(page.locator(".figures strong")).to_have_text("+0.200")


def test_the_map_of_an_older_choice_is_not_shown(page: "Page") -> None:
    waiting: list[tuple[Route, Form]] = []

    def later(route: "Route", form: Form) -> None:
        explain(route, form) if "Edema" in form["texts"][0] else waiting.append((route, form))

    open_page(page, {"/api/explain": later})
    page.set_input_files("#files", upload())
    page.click(".scores >> text=Cardiomegaly")
    expect(page.locator("#evidence")).to_contain_text("Asking where")
    page.click(".scores >> text=Edema")
    expect(page.locator("#evidence .words")).to_contain_text("Edema")
    for route, form in waiting:
        explain(route, form)
    page.evaluate("() => 0")
    expect(page.locator("#evidence .words")).to_contain_text("Edema")


def test_a_server_that_is_gone_is_told_and_found_again(page: "Page") -> None:
    gone = [True]

    def sometimes(route: "Route", form: Form) -> None:
        route.abort("connectionrefused") if gone else classify(route, form)

    open_page(page, {"/api/classify": sometimes})
    page.set_input_files("#files", upload())
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#findings [role=alert]")).to_contain_text("see whether `cxr-clip serve` still runs")
    gone.clear()
    page.locator("#findings [role=alert] button").click()
    expect(page.locator(".scores")).to_be_visible()
    expect(page.locator("#offline")).to_be_hidden()


def test_a_page_without_its_server_learns_the_model_later(page: "Page") -> None:
    gone = [True]
    open_page(page, {"/api/model": lambda route, _: route.abort() if gone else route.fulfill(json=MODEL)})
    expect(page.locator("#model")).to_have_text("No model yet")
    gone.clear()
    page.locator("#offline button").click()
    expect(page.locator("#model")).to_contain_text("A tiny model")
    expect(page.locator("#offline")).to_be_hidden()


def test_an_answer_without_a_sentence_is_told_by_its_number(page: "Page") -> None:
    open_page(page, {"/api/search": lambda route, _: route.fulfill(status=502, body="<html>Bad gateway</html>")})
    page.click("#tab-similar")
    page.check("[name=by][value=text]", force=True)
    page.fill("#similar-text", "Clear lungs.")
    page.press("#similar-text", "Enter")
    expect(page.locator("#similar [role=alert]")).to_contain_text("The server answered 502 without saying why")


def test_what_a_server_says_is_text_and_no_markup(page: "Page") -> None:
    sentence = "<img src=x onerror=alert(1)> is no finding: ask another."
    asked = open_page(page, {"/api/classify": refuses(422, sentence)})
    page.set_input_files("#files", upload("<b>a</b>.png"))
    expect(page.locator("#findings [role=alert] p")).to_have_text(sentence)
    expect(page.locator(".pane figcaption span")).to_have_text("<b>a</b>.png")
    assert page.locator("#findings img, figcaption b").count() == 0
    assert asked.elsewhere == []


def test_addresses_of_saved_answers_are_given_back(page: "Page") -> None:
    open_page(page)
    page.set_input_files("#files", upload())
    page.evaluate(
        """() => {
          window.open_addresses = 0;
          const { createObjectURL, revokeObjectURL } = URL;
          URL.createObjectURL = (one) => (window.open_addresses++, createObjectURL.call(URL, one));
          URL.revokeObjectURL = (one) => (window.open_addresses--, revokeObjectURL.call(URL, one));
        }"""
    )
    with page.expect_download() as saved:
        page.click("#findings-save")
    assert saved.value.suggested_filename == "findings.json"
    assert page.evaluate("() => new Promise((done) => setTimeout(() => done(window.open_addresses)))") == 0
