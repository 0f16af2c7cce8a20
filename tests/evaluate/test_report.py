"""The two files of a report: every figure in the JSON, one page that needs nothing else."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.page import of_decimals, of_percent, roc_panels, tiles
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.statistics import Estimate, exact
from cxr_clip.evaluate.training_log import read_training_log

OPTIONS = EvaluationOptions(resamples=30, gallery=2)
VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Follows the open elements; a page that closes what it opens ends with none."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def results(world, embedder, prompts):
    few = replace(world.studies[0], findings={**world.studies[0].findings, "Hernia": "positive"})
    prompts["standard"]["Hernia"] = replace(prompts["standard"]["Edema"], finding="Hernia")
    return evaluate_manifest(
        embedder, [few, *world.studies[1:]], read_image=world.read, prompts=prompts, options=OPTIONS
    )


@pytest.fixture
def log(tmp_path):
    lines = [{"step": step, "kind": "train", "loss": 1 / step, "scale": 14.0} for step in range(1, 9)]
    lines.append({"step": 8, "kind": "validate", "loss": 0.5})
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_json_has_every_figure_with_its_interval_and_the_protocol(results, tmp_path):
    write_report(tmp_path / "run", results, run_title="A run", details={"Split": "test"})
    content = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    assert set(content["benchmarks"]) == {"zero_shot/standard", "zero_shot/paraphrase", "retrieval"}
    for result in results:
        for name, one in result.metrics.items():
            figure = {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
            assert content["benchmarks"][result.name][name] == figure
        assert content["protocol"][result.name] == list(result.protocol)
    assert (
        "zero_shot/standard: Fewer than 5 studies of a class, not measured: Hernia (1 positive, 0 negative)."
        in (content["notes"])
    )
    assert content["findings"]["zero_shot/standard"]["Edema"]["positive_prompts"] == ["Edema"]
    assert content["data"]["retrieval"] == {"studies": 60, "patients": 30, "images": 60}
    assert (content["run"], content["details"]) == ("A run", {"Split": "test"})


def test_page_is_whole_and_needs_nothing_from_elsewhere(results, log, tmp_path):
    page = write_report(tmp_path, results, run_title="A run", curves=read_training_log(log)).read_text("utf-8")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert [address for address in parser.addresses if not address.startswith(("data:image/", "#"))] == []
    for word in ("<script", "@import", "<link", "url(http", "<iframe"):
        assert word not in page
    assert "nan" not in re.sub(r"data:image/[^\"]*", "", page.lower()).split()


def test_page_shows_figures_findings_gallery_curves_and_the_warning(results, log, tmp_path):
    path = write_report(tmp_path, results, run_title="A run", curves=read_training_log(log))
    page = html.unescape(path.read_text("utf-8"))
    macro, recall = results[0].metrics["auroc/macro"], results[2].metrics["image_to_text/recall_at_10"]
    for words in (
        f"{macro.value:.3f}",
        f"{macro.low:.3f} – {macro.high:.3f}",
        f"{100 * recall.value:.1f}\N{NO-BREAK SPACE}%",
        "Not a medical device.",
        "Hernia (1 with, 0 without)",
        "ROC curve of Pneumothorax",
        "Validation: loss",
        *(entry.text for entry in results[2].gallery),
        *(sentence for result in results for sentence in result.protocol),
    ):
        assert words in page
    assert page.count("data:image/jpeg") == 2


def test_first_screen_says_on_what_and_with_which_weights(results, tmp_path):
    facts = {"Run": "runs/x", "Manifest": "data/x", "Split": "test, 60 studies", "Weights": "best by validation"}
    page = write_report(tmp_path, results, run_title="A run", details=facts).read_text("utf-8")
    header = re.sub(r"<[^>]*>|\s+", " ", page[page.index("<header>") : page.index("</header>")])
    assert "60 studies of 30 patients, 72 images" in header
    for words in ("Manifest: data/x", "Split: test, 60 studies", "Weights: best by validation"):
        assert words in header
    assert "Run:" not in header


def test_a_figure_that_may_be_chance_is_called_so():
    at_chance, above = Estimate(0.52, 0.48, 0.56, 9), Estimate(0.7, 0.6, 0.8, 1)
    population = Population(studies=9, patients=9, images=9)
    recalls = {
        "image_to_text/recall_at_10": Estimate(0.3, 0.1, 0.5, 9),
        "image_to_text/recall_at_10_chance": exact(0.2, 9),
        "text_to_image/recall_at_10": Estimate(0.8, 0.6, 0.9, 9),
        "text_to_image/recall_at_10_chance": exact(0.2, 9),
    }
    shown = tiles(
        [
            BenchmarkResult("zero_shot/standard", {"auroc/macro": at_chance}, (), population),
            BenchmarkResult("zero_shot/paraphrase", {"auroc/macro": above}, (), population),
            BenchmarkResult("retrieval", recalls, (), population),
        ]
    )
    assert [tile.remark.replace("\N{NO-BREAK SPACE}", " ") for tile in shown] == [
        "9 findings; chance 0.500, inside the interval",
        "1 finding; chance 0.500",
        "1.5 × chance (20.0 %, inside the interval)",
        "4.0 × chance (20.0 %)",
    ]


def test_an_interval_below_zero_has_no_dash_beside_its_minus():
    below = Estimate(value=-0.137, low=-0.28, high=-0.053, n=9)
    assert of_decimals(below) == ("−0.137", "−0.280 to −0.053")
    assert of_percent(below) == ("−13.7\N{NO-BREAK SPACE}%", "−28.0 to −5.3\N{NO-BREAK SPACE}%")
    assert of_decimals(Estimate(value=0.5, low=0.4, high=0.6, n=9)) == ("0.500", "0.400 – 0.600")


def test_average_precision_stands_beside_the_share_of_its_finding(results, tmp_path):
    page = html.unescape(write_report(tmp_path, results, run_title="A run").read_text("utf-8"))
    edema = next(one for one in results[0].findings if one.finding == "Edema")
    share = 100 * edema.positive / (edema.positive + edema.negative)
    assert f"({share:.1f}\N{NO-BREAK SPACE}%)" in page


def test_a_long_gallery_is_folded_and_cosines_have_a_minus_sign(results, tmp_path):
    entry = replace(results[2].gallery[0], similarity=-0.25)
    many = replace(results[2], gallery=(entry,) * 6)
    page = write_report(tmp_path, [many], run_title="A run").read_text("utf-8")
    assert "cosine −0.250" in page
    assert page.count("data:image/jpeg") == 6
    shown, folded = page.split("<summary>2 more</summary>")
    assert (shown.count("<article"), folded.count("<article")) == (4, 2)


def test_findings_are_sorted_best_first(results, tmp_path):
    page = write_report(tmp_path, results, run_title="A run").read_text("utf-8")
    best_first = sorted(
        ("Cardiomegaly", "Edema", "Pneumothorax"), key=lambda name: -results[0].metrics[f"auroc/{name}"].value
    )
    assert re.findall(r'<td class="finding">(\w+)<', page) == best_first


def test_text_from_reports_is_escaped(results, tmp_path):
    hostile = replace(results[2], notes=("<script>alert(1)</script>",))
    page = write_report(tmp_path, [hostile], run_title="<b>bold</b>").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;b&gt;bold" in page


def test_nothing_measured_and_no_log_still_make_a_page(results, tmp_path):
    bare = [replace(result, metrics={}, gallery=(), findings=()) for result in results]
    curves = read_training_log(tmp_path / "absent.jsonl")
    page = write_report(tmp_path, bare, run_title="A run", curves=curves).read_text("utf-8")
    assert page.count("Not measured") == 2
    assert "<h2>Training" not in page


def test_a_report_is_replaced_and_leaves_no_partial_file(results, tmp_path):
    write_report(tmp_path, results, run_title="first")
    page = write_report(tmp_path, results, run_title="second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert "first" not in re.findall("<h1>(.*)</h1>", page.read_text("utf-8"))[0]


def test_a_curve_has_the_colour_of_its_style_where_another_style_lacks_the_finding(results):
    without = replace(results[0], findings=tuple(one for one in results[0].findings if one.finding != "Edema"))
    of_both, of_second = roc_panels([without, *results[1:]], ("Cardiomegaly", "Edema"))
    assert "var(--series-1)" in of_both.svg
    assert "var(--series-1)" not in of_second.svg
    assert "var(--series-2)" in of_second.svg
