"""The page shows a study, its findings, maps and similar studies, in a real browser with answers given by the test."""

import json
from typing import TYPE_CHECKING

import pytest

from support_page import MODEL, classification, explain, hit, open_page, says, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def choose(page: "Page", *names: str) -> None:
    """Choose made-up pictures and wait for what the model says of them."""
    page.set_input_files("#files", [upload(name, number) for number, name in enumerate(names)])
    expect(page.locator("#thumbnails canvas")).to_have_count(len(names))
    expect(page.locator("#findings:not([aria-busy=true]) :is(.scores, .abstained)")).to_be_visible()


def findings(page: "Page") -> list[str]:
    return page.locator(".scores .finding").all_inner_texts()


def test_dropped_files_are_one_study(page: "Page") -> None:
    asked = open_page(page)
    expect(page.locator("#model")).to_contain_text("A tiny model")
    page.evaluate(
        """() => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
          return new Promise((done) => canvas.toBlob((blob) => {
            const held = new DataTransfer();
            for (const name of ["pa.png", "lateral.png"]) held.items.add(new File([blob], name, { type: "image/png" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }));
            done();
          }));
        }"""
    )
    page.wait_for_selector(".scores")
    assert page.locator(".pane").count() == 2
    assert [[name for name, _ in form["images"]] for form in asked.of("/api/classify")] == [["pa.png", "lateral.png"]]
    assert asked.console == asked.elsewhere == []


def test_scores_are_called_what_they_are_and_sorted_on_wish(page: "Page") -> None:
    asked = open_page(page)
    choose(page, "chest.png")
    assert findings(page) == ["Cardiomegaly", "Edema", "Pleural Effusion", "Pneumothorax"]
    assert page.locator(".figures strong").all_inner_texts() == ["+0.040", "−0.080", "+0.120", "−0.160"]
    assert "a similarity, not a probability" in page.locator(".caption").inner_text()
    assert page.locator("#status").inner_text() == "4 findings from 1 picture."
    page.select_option("#findings-order", "score")
    assert findings(page) == ["Pleural Effusion", "Cardiomegaly", "Edema", "Pneumothorax"]
    assert "findings" not in asked.of("/api/classify")[0]  # all, as the server has them


def test_what_is_calibrated_is_a_probability_with_its_interval(page: "Page") -> None:
    answer = classification("study", {"Edema": 0.1, "Pneumothorax": 0.2})
    answer["findings"][0] |= {"probability": {"value": 0.62, "low": 0.48, "high": 0.996}, "answer": "undecided"}
    open_page(page, {"/api/classify": says(study=answer, images=[answer])})
    choose(page, "chest.png")
    edema, other = page.locator(".scores li").all()
    assert edema.locator(".figures").inner_text().split() == [
        "62",
        "%",
        "48",
        "to",
        ">99",
        "undecided",
        ",",
        "score",
        "+0.100",
    ]
    interval = edema.locator(".interval").evaluate("mark => [mark.style.left, mark.style.width].map(parseFloat)")
    assert interval == pytest.approx([48, 51.6])
    assert other.locator(".figures").text_content() == "+0.200, similarity, not a probability"


def test_each_view_has_its_own_scores(page: "Page") -> None:
    one, other = (classification(name, {"Edema": score}) for name, score in (("pa.png", 0.1), ("side.png", -0.2)))
    study = classification("study", {"Edema": -0.05}, images=2)
    open_page(page, {"/api/classify": says(study=study, images=[one, other])})
    choose(page, "pa.png", "side.png")
    places = page.locator(".tick").evaluate_all("marks => marks.map((mark) => parseFloat(mark.style.left))")
    assert places == pytest.approx([75, 0])  # on a scale from -0.2 to +0.2
    page.select_option("#findings-of", label="2: side.png")
    assert page.locator(".figures strong").all_inner_texts() == ["−0.200"]


def test_an_abstention_is_shown_as_one(page: "Page") -> None:
    refused = classification("page.png", {}) | {"abstained": ["86% of it is one grey"], "findings": []}
    study = refused | {"name": "study", "abstained": ["picture 0: 86% of it is one grey"]}
    open_page(page, {"/api/classify": says(study=study, images=[refused])})
    choose(page, "page.png")
    assert page.locator(".abstained h3").inner_text() == "The model abstains on the study"
    assert page.locator(".abstained li").all_inner_texts() == ["page.png: 86% of it is one grey"]
    assert page.locator(".scores").count() == 0
    assert page.locator("#status").inner_text() == "The model abstains: page.png: 86% of it is one grey."


def test_edited_prompts_and_sentences_are_asked(page: "Page") -> None:
    asked = open_page(page)
    choose(page, "chest.png")
    page.click("#tab-prompts")
    page.click(".prompts summary >> text=Edema")
    page.fill("[aria-label='Positive prompts of Edema, one a line']", "Edema\nWet lungs\n")
    page.uncheck("[aria-label='Ask Pneumothorax']")
    assert page.locator(".state").all_inner_texts().count("edited") == 1
    page.fill("#sentence", "A tube is seen")
    page.press("#sentence", "Enter")
    page.wait_for_selector(".scores >> text=A tube is seen")
    assert json.loads(asked.of("/api/classify")[-1]["findings"][0]) == [
        {"finding": "A tube is seen", "positive": ["A tube is seen"], "negative": []},
        "Cardiomegaly",
        {"finding": "Edema", "positive": ["Edema", "Wet lungs"], "negative": ["No edema"]},
        "Pleural Effusion",
    ]
    page.click("#tab-prompts")
    page.click(".prompts summary >> text=A tube is seen")
    page.click("text=Remove >> visible=true")
    page.click("#tab-findings")
    assert page.locator(".stale").inner_text().startswith("Prompts have changed since.")
    page.click(".stale button")
    expect(page.locator(".stale")).to_have_count(0)
    expect(page.locator(".scores li")).to_have_count(3)


def test_a_map_lies_over_its_picture(page: "Page") -> None:
    asked = open_page(page)
    choose(page, "chest.png")
    colours = """() => {
      const canvas = document.querySelector(".pane canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let coloured = 0;
      for (let place = 0; place < data.length; place += 4) coloured += Math.abs(data[place] - data[place + 2]) > 24;
      return coloured / (data.length / 4);
    }"""
    assert page.evaluate(colours) == 0
    page.click(".scores >> text=Pleural Effusion")
    page.wait_for_selector(".legend")
    page.evaluate(NEXT_FRAME)
    assert page.evaluate(colours) > 0.1
    assert json.loads(asked.of("/api/explain")[0]["texts"][0]) == ["Pleural Effusion"]
    assert page.locator(".legend span").all_inner_texts() == ["−0.100", "+0.400"]
    assert "no segmentation" in page.locator("#evidence").inner_text()
    assert "in the lower third, right in the picture" in page.locator("#status").inner_text()
    page.fill("#opacity", "0")
    page.uncheck("#peak")
    page.evaluate(NEXT_FRAME)
    assert page.evaluate(colours) == 0
    page.click("#evidence-close")
    assert page.locator("#evidence").is_hidden()


def test_where_the_model_abstains_there_is_no_map(page: "Page") -> None:
    nothing = says(height=14, width=14, texts=[], abstained=["86% of it is one grey"])
    open_page(page, {"/api/explain": nothing})
    choose(page, "chest.png")
    page.click(".scores >> text=Edema")
    expect(page.locator("#evidence")).to_contain_text("so there is no map: 86% of it is one grey.")


def test_each_active_view_gets_its_map(page: "Page") -> None:
    asked = open_page(page, {"/api/explain": explain})
    choose(page, "pa.png", "side.png")
    page.click(".scores >> text=Edema")
    page.wait_for_selector(".legend")
    page.locator(".pane canvas").nth(1).click()
    expect(page.locator("#status")).to_contain_text("side.png")
    assert [form["images"][0][0] for form in asked.of("/api/explain")] == ["pa.png", "side.png"]


def test_similar_studies_are_found_and_asked_on(page: "Page") -> None:
    found = [hit(1, picture="/api/indexed/1"), hit(2, report=None, findings=[])]
    asked = open_page(
        page,
        {"/api/search": says(hits=found), "/api/indexed/1": lambda route, _: route.fulfill(body=upload()["buffer"])},
    )
    choose(page, "chest.png")
    page.click("#tab-similar")
    page.click(".filter >> text=Finding")
    page.check("[name=finding][value=Edema]")
    page.check("[name=finding][value=Pneumothorax]")
    page.click(".question [type=submit]")
    page.wait_for_selector(".card")
    (form,) = asked.of("/api/search")
    assert (form["top"], form["finding"], form["images"][0][0]) == (["10"], ["Edema", "Pneumothorax"], "chest.png")
    assert page.locator(".card h3").all_inner_texts() == ["1. CXR1\n+0.890", "2. CXR2\n+0.880"]
    expect(page.locator(".card img")).to_have_js_property("naturalWidth", 128)
    page.click("text=Show beside")
    expect(page.locator(".pane figcaption span")).to_have_text(["chest.png", "CXR1 (index).png"])
    assert len(asked.of("/api/classify")) == 1  # of the study alone
    expect(page.locator("#findings .scores li")).to_have_count(4)
    page.click("[aria-label='Studies like CXR2']")
    expect(page.locator("#similar-study")).to_have_value("CXR2")
    page.check("[name=by][value=text]", force=True)
    page.fill("#similar-text", "Clear lungs.")
    page.press("#similar-text", "Enter")
    expect(page.locator("#similar")).to_have_attribute("aria-busy", "false")
    assert [form.get("study") or form.get("text") for form in asked.of("/api/search")[1:]] == [
        ["CXR2"],
        ["Clear lungs."],
    ]


def test_without_an_index_the_page_says_how_to_make_one(page: "Page") -> None:
    open_page(page, {"/api/model": says(**(MODEL | {"index": None}))})
    page.click("#tab-similar")
    page.wait_for_selector("#similar >> text=cxr-clip index build")
