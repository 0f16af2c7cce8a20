"""A data sheet and the checklist CLAIM say what the files of a study say, and leave open what only people know."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.checkpoint import read_run, write_run
from cxr_clip.documents.claim import ITEMS, checklist
from cxr_clip.documents.data_facts import read_data_facts
from cxr_clip.documents.data_sheet import data_sheet
from cxr_clip.documents.open_question import OPEN
from cxr_clip.documents.study_facts import read_study_facts
from cxr_clip.errors import ManifestError
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.statistics import Estimate
from support_data import write_tiny_manifest
from support_models import onward, tiny_recipe, tiny_run_folder

HEADINGS = (
    "Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labelling", "Uses", "Distribution",
    "Maintenance",
)  # fmt: skip
SUMMARY = {
    "rejected": {"image: the file is damaged": 3, "study: no image | no text": 1},
    "absent_images": 7,
    "remarks": {"studies split by a hash of the report": 18},
    "run": {"short_side": 512, "limit": None},
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    folder = write_tiny_manifest(tmp_path / "secret-place" / "studies")
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    return folder


@pytest.fixture
def run(manifest: Path, tmp_path: Path) -> Path:
    """A run with two evaluations, one of them of subgroups elsewhere."""
    folder = tiny_run_folder(tmp_path / "run", manifest)
    estimate = Estimate(value=0.8, low=0.71, high=0.89, n=60)
    population = Population(studies=60, patients=50, images=70)
    for place, name, figures, where in (
        (
            folder,
            "zero_shot/standard",
            ("auroc/macro", "auroc/Edema", "average_precision/macro", "average_precision/Edema"),
            str(manifest),
        ),
        (folder / "elsewhere", "subgroups", ("auroc/sex/f", "auroc_gap/sex"), "/x/hospital"),
    ):
        result = BenchmarkResult(
            name=name, metrics=dict.fromkeys(figures, estimate), protocol=(), population=population
        )  # fmt: skip
        write_report(place, [result], run_title="tiny", details={"Manifest": where, "Split": "test, 60 studies"})
    return folder


def answers(text: str) -> dict[int, str]:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (.+) \|$", text, re.MULTILINE)
    return {int(number): answer for number, answer in rows}


def test_the_sheet_has_all_headings_each_with_what_is_open(manifest: Path) -> None:
    sheet = data_sheet(read_data_facts(manifest))
    assert tuple(re.findall(r"^## (.+)$", sheet, re.MULTILINE)) == HEADINGS
    for part in re.split(r"^## ", sheet, flags=re.MULTILINE)[1:]:
        assert OPEN in part


def test_the_sheet_counts_what_is_there(manifest: Path) -> None:
    sheet = data_sheet(read_data_facts(manifest))
    assert "18 studies of 18 patients with 34 images" in sheet
    assert re.search(r"^\| train \| 8 \| 8 \| 15 \| ", sheet, re.MULTILINE)
    assert "| image: the file is damaged | 3 |" in sheet
    assert "| study: no image \\| no text | 1 |" in sheet
    assert "| images that are listed and not there | 7 |" in sheet
    assert "| studies split by a hash of the report | 18 |" in sheet
    assert "| Pleural Effusion |" in sheet
    assert "secret-place" not in sheet


def test_a_damaged_summary_is_told(manifest: Path) -> None:
    (manifest / "summary.json").write_text("[")
    with pytest.raises(ManifestError, match=r"summary\.json is damaged"):
        read_data_facts(manifest)


def test_the_checklist_has_its_44_items_once_and_in_order(run: Path) -> None:
    assert [item.number for item in ITEMS] == list(range(1, 45))
    assert list(answers(checklist(read_study_facts(run)))) == list(range(1, 45))


def test_items_are_answered_from_the_files(run: Path) -> None:
    said = answers(checklist(read_study_facts(run)))
    assert "studies of studies (train 8, validate 4)." in said[7]
    assert "hospital" in said[7]
    assert "image: the file is damaged (3)" in said[8]
    assert "32 px" in said[9]
    assert "train 8, validate 4, test 6; studies split by a hash of the report" in said[19]
    assert "random weights" in said[24]
    assert "2 epochs of batches of 4 studies, learning rate 0.001" in said[25]
    assert "subgroups" in said[30]
    assert said[32] == "On the data sets of its recipe: studies (test, 60 studies)."
    assert "hospital (test, 60 studies)" in said[33]
    assert "7 images absent" in said[35]
    assert said[37] == "zero_shot/standard auroc/macro 0.800 (0.710 to 0.890), n = 60, studies (test, 60 studies)."
    assert "auroc/Edema" in said[38]
    assert "auroc/sex/f" not in said[38]


def test_data_of_the_run_that_it_started_from_are_its_own(
    run: Path, manifest: Path, tmp_path: Path, command: Callable[..., int]
) -> None:
    asked, earlier = onward(manifest, tmp_path / "secret-place" / "old"), tiny_recipe(tmp_path / "hospital")
    write_run(run, replace(read_run(run), recipe=asked, started_from=(earlier,)))
    said = answers(checklist(read_study_facts(run)))
    assert said[24] == "Training went on from the weights of old, which had learned from hospital."
    assert "hospital" in said[32]
    assert "hospital" not in said[33]
    assert command("document", "card", run) == 0
    card = (run / "card.md").read_text()
    assert "Trained with cxr-clip, from the weights of old, which had learned from hospital;" in card


def test_what_no_file_says_is_open(run: Path, tmp_path: Path) -> None:
    text = checklist(read_study_facts(run))
    said = answers(text)
    never = {2, 3, 4, 6, 13, 15, 16, 17, 18, 34, 39, 41, 44}
    assert never <= {number for number, answer in said.items() if answer == OPEN}
    counted = re.search(
        r"Of 44 items, (\d+) are answered from the files of the run, (\d+) in part, (\d+) are open", text
    )
    assert counted is not None
    assert sum(map(int, counted.groups())) == 44
    assert int(counted[3]) == sum(answer == OPEN for answer in said.values())
    bare = tiny_run_folder(tmp_path / "bare", tmp_path / "gone")
    without = answers(checklist(read_study_facts(bare)))
    assert {7, 8, 10, 19, 20, 28, 29, 32, 33, 35, 36, 37, 38} <= {
        number for number, answer in without.items() if answer == OPEN
    }


def test_no_place_of_this_machine_is_named(run: Path, tmp_path: Path) -> None:
    text = checklist(read_study_facts(run))
    assert "secret-place" not in text
    assert str(tmp_path) not in text


def test_the_commands_write_their_files(
    run: Path, manifest: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("document", "card", run) == 0
    card = (run / "card.md").read_text()
    assert "| studies | 8 | 4 | 12 | 22 | as downloaded |" in card
    assert "Left out of studies: image: listed, not there (7); image: the file is damaged (3)" in card
    assert "### Subgroups" in card
    assert "| subgroups | auroc_gap/sex | 0.800 (0.710 to 0.890) | 60 | hospital (test, 60 studies) |" in card
    assert "secret-place" not in card
    assert command("document", "data-sheet", manifest, "--out", "sheet.md") == 0
    assert Path("sheet.md").read_text().startswith("# Data sheet: studies\n")
    assert command("document", "checklist", run, manifest) == 0
    assert (run / "claim-2024.md").is_file()
    assert "read it before you give it away" in capsys.readouterr().out
    assert command("document", "checklist", run, "absent") == 2
