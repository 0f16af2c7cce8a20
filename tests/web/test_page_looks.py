"""The page reads: in both themes, on a phone and on a wide screen, on paper, and for those who cannot see it."""

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from support_page import classification, open_page, says, upload

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
TABS = ("findings", "prompts", "similar")

# Texts whose contrast with what lies behind them is under WCAG's AA. Greys behind texts are solid or nearly so.
POOR = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((one, place) => a * one + (1 - a) * below[place]);
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.map((one) => linear(one / 255));
  const luminance = (rgb) => light(rgb).reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) layers.unshift(channels(getComputedStyle(one).backgroundColor));
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const style = getComputedStyle(node);
    const own = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.textContent.trim());
    const text = own.join("") || node.value;
    if (!text || node.disabled || !node.checkVisibility()) continue;
    if (node.closest(".unseen, noscript, option, input:not([type=text])")) continue;
    const paper = behind(node);
    const [one, other] = [luminance(over(channels(style.color), paper)), luminance(paper)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < enough) poor.push(`${node.tagName} ${text.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return poor;
}"""


def fill(page: "Page") -> None:
    """Everything that the page can show at once: scores, a probability, an error, a map, hits."""
    study = classification("study", {"Cardiomegaly": 0.2, "Edema": -0.1, "Enlarged Cardiomediastinum": 0.05})
    study["findings"][0] |= {"probability": {"value": 0.62, "low": 0.48, "high": 0.75}, "answer": "positive"}
    open_page(page, {"/api/classify": says(study=study, images=[study, study])})
    page.set_input_files("#files", [upload("pa.png"), upload("a rather long name of a file, lateral.png", 1)])
    expect(page.locator("#findings .scores")).to_be_visible()
    page.click(".scores >> text=Edema")
    expect(page.locator(".legend")).to_be_visible()
    page.click("#tab-similar")
    page.click(".question [type=submit]")
    expect(page.locator(".card")).to_have_count(2)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_contrast_is_enough(browser: "Browser", theme: str) -> None:
    page = browser.new_page(viewport={"width": 1600, "height": 900}, color_scheme=theme)
    fill(page)
    found = []
    for tab in TABS:
        page.click(f"#tab-{tab}")
        found += page.evaluate(POOR)
    page.evaluate("() => document.querySelectorAll('#offline, .wrong').forEach((one) => (one.hidden = false))")
    assert found + page.evaluate(POOR) == []
    assert page.evaluate("() => document.documentElement.dataset.theme") == theme
    page.close()


def test_the_theme_is_kept(browser: "Browser") -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    open_page(page)
    paper = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(paper)
    page.reload()
    assert page.evaluate(paper) == light != dark
    expect(page.get_by_role("button", name="Dark theme")).to_be_visible()
    context.close()


@pytest.mark.parametrize("width", [390, 820, 1600])
def test_nothing_is_cut_off(browser: "Browser", width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    fill(page)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        beyond = """(width) => [...document.querySelectorAll("body *")].filter((one) =>
          one.checkVisibility() && one.getBoundingClientRect().right > width + 1
          && !one.closest(".unseen, .model, .skip")).map((one) => one.outerHTML.slice(0, 60))"""
        assert page.evaluate(beyond, width) == []
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_text("Research only, not a medical device.")).to_be_in_viewport(ratio=1)
    page.close()


def test_every_control_has_a_name_and_every_part_its_landmark(page: "Page") -> None:
    fill(page)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        for role in ("button", "combobox", "slider", "checkbox", "radio", "textbox", "tab", "img"):
            count = page.get_by_role(role).count()
            assert page.get_by_role(role, name=re.compile(r"\S")).count() == count, role
    for landmark in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    expect(page.get_by_role("region", name="What the model says")).to_be_visible()
    expect(page.get_by_role("region", name="Evidence map")).to_be_visible()
    levels = page.locator(":is(h1, h2, h3):visible, .unseen:is(h2)").evaluate_all(
        "all => all.map((one) => +one.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_focus_is_seen_and_reaches_everything(page: "Page") -> None:
    fill(page)
    page.click("#tab-findings")
    page.locator("body").press("Tab")
    seen: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
              const one = document.activeElement;
              const ring = one.matches(".choice input") ? one.nextElementSibling : one;
              const { outlineStyle, outlineWidth } = getComputedStyle(ring);
              return [one.id || one.name || one.tagName, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
            }"""
        )
        assert told[1] or told[0] == "BODY", told
        seen.add(told[0])
    for wanted in (
        "theme",
        "drag",
        "preset",
        "level",
        "width",
        "smaller",
        "larger",
        "fit",
        "invert",
        "reset",
        "CANVAS",
    ):
        assert wanted in seen
    assert {"opacity", "peak", "more", "clear", "tab-findings", "findings-of", "findings-order"} <= seen
    assert any(name.startswith("finding-") for name in seen)
    page.focus("#tab-findings")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#prompts")).to_be_visible()
    expect(page.locator("#tab-prompts")).to_be_focused()


def test_nothing_moves_for_those_who_wish_so(browser: "Browser") -> None:
    page = browser.new_page(reduced_motion="reduce")
    fill(page)
    moving = """() => [...document.querySelectorAll("body *")].filter((one) => {
      const { transitionDuration, animationName } = getComputedStyle(one);
      return parseFloat(transitionDuration) > 0 || animationName !== "none";
    }).length"""
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    page.click("#tab-findings")
    assert page.evaluate(moving) > 0
    page.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_on_paper_stand_pictures_and_scores_without_controls(browser: "Browser", theme: str) -> None:
    page = browser.new_page(color_scheme=theme)
    fill(page)
    page.click("#tab-findings")
    page.emulate_media(media="print")
    for shown in (".pane canvas >> nth=0", ".scores", "#notice", ".evidence h3"):
        expect(page.locator(shown)).to_be_visible()
    for hidden in ("#toolbar", "[role=tablist]", "#theme", "#more"):
        expect(page.locator(hidden)).to_be_hidden()
    assert page.evaluate(POOR) == []
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
    page.close()
