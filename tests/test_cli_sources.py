"""Every data set of the table goes the whole way: made up, prepared, inspected; also with the mistakes of downloads."""

import json
import re
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name

import pytest

from cxr_clip.commands.sources import SOURCES
from cxr_clip.data.labeller import label_report
from cxr_clip.data.manifest import read_manifest

Command = Callable[..., int]
STUDIES = 12
SMALL = ("--processes", 1, "--quiet")
MADE_UP = [name for name, entry in SOURCES.items() if entry.synthesize is not None]
WITH_FAULTS = [name for name, entry in SOURCES.items() if any(option.name == "faults" for option in entry.made_up)]


def figures(folder: Path) -> dict:
    return json.loads((folder / "inspect.json").read_text())


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def is_of(row: dict, fault: dict) -> bool:
    """Whether a rejection is that of a planted fault, whose study need not be said."""
    same = row["kind"] == fault["kind"] and fault["study"] in (None, row["study"])
    return same and fault["reason"] in row["reason"]


@pytest.mark.parametrize("source", MADE_UP)
def test_a_miniature_is_prepared_and_sound(command: Command, tmp_path: Path, source: str) -> None:
    assert command("synthesize", source, "raw", "--studies", STUDIES, "--image-size", 64, *SMALL) == 0
    assert command("prepare", source, "raw", "out", "--short-side", 64, *SMALL) == 0
    assert command("inspect", "out", "--samples", 3, "--strict", "--quiet") == 0
    seen = figures(tmp_path / "out")
    assert seen["counts"]["studies"] == STUDIES
    assert {group["source"] for group in seen["counts"]["groups"]} == {source}
    assert len(seen["samples"]["studies"]) == 3
    assert all(sample["texts"] for sample in seen["samples"]["studies"])


@pytest.mark.parametrize("source", WITH_FAULTS)
def test_mistakes_of_downloads_are_named_and_the_rest_is_sound(command: Command, tmp_path: Path, source: str) -> None:
    arguments = ("--studies", STUDIES, "--image-size", 64, "--faults", *SMALL)
    assert command("synthesize", source, "raw", *arguments) == 0
    assert command("prepare", source, "raw", "out", "--short-side", 64, *SMALL) == 0
    faults, rejected = (lines(tmp_path / name) for name in ("raw/faults.jsonl", "out/rejected.jsonl"))
    absent = tmp_path / "out" / "absent.txt"
    assert len(faults) > 2
    for fault in faults:
        if fault["kind"] == "absent":
            # The table of CheXpert Plus lists .jpg, its images are .png.
            assert str(Path(fault["path"]).with_suffix("")) in absent.read_text()
        else:
            assert any(is_of(row, fault) for row in rejected), fault
    assert command("inspect", "out", "--samples", 1, "--strict", "--quiet") == 0
    assert sum(figures(tmp_path / "out")["preparation"]["reasons"].values()) > 2


@pytest.mark.parametrize("source", SOURCES)
def test_the_table_names_functions_that_take_its_options(source: str) -> None:
    entry = SOURCES[source]
    for function, options in ((entry.prepare, entry.options), (entry.synthesize, entry.made_up)):
        if function is None:
            continue
        known = signature(resolve_name(function)).parameters
        common = {"raw", "out", "options", "progress", "studies", "seed", "processes", "image_size"}
        assert {option.name for option in options} == known.keys() - common
        for option in options:
            assert known[option.name].default == option.default


def test_windowings_are_for_sources_with_dicom_alone(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("prepare", "chestxray14", "raw", "out", "--windowing", "percentile") == 2
    assert command("synthesize", "openi", "raw", "--studies", 2, "--image-size", 64, *SMALL) == 0
    assert command("prepare", "openi", "raw", "out", "--windowing", "percentile", *SMALL) == 0
    capsys.readouterr()
    assert command("prepare", "openi", "raw", "out", *SMALL) == 2
    assert "windowing percentile, now file" in capsys.readouterr().err


def test_an_inspection_says_nothing_of_windowings_and_reports_where_there_are_none(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("synthesize", "chestxray14", "raw", "--studies", 2, "--image-size", 64, *SMALL) == 0
    assert command("prepare", "chestxray14", "raw", "out", *SMALL) == 0
    assert command("inspect", "out", "--samples", 0, "--quiet") == 0
    page = (tmp_path / "out" / "inspect.html").read_text()
    for shown in (capsys.readouterr().out, page):
        assert not re.search("windowing|label.reports|labelled|prepared with", shown)
    assert "short side 512" in page


def test_the_manifest_itself_says_the_windowing_and_shares_of_two_do_not_merge(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("synthesize", "siim_pneumothorax", "raw", "--studies", 4, "--image-size", 64, *SMALL) == 0
    for number, windowing in enumerate(("min-max", "percentile"), start=1):
        arguments = ("--windowing", windowing, *SMALL)
        assert command("prepare", "siim_pneumothorax", "raw", windowing, *arguments) == 0
        assert (
            command("prepare", "siim_pneumothorax", "raw", f"share-{number}", "--shard", f"{number}/2", *arguments) == 0
        )
        (tmp_path / windowing / "summary.json").unlink()
        assert command("inspect", windowing, "--samples", 0, "--quiet") == 0
        assert f"prepared with windowing {windowing}" in capsys.readouterr().out
        assert figures(tmp_path / windowing)["provenance"] == {
            "windowing": windowing,
            "hashed_ids": None,
            "labelled_by_rule": False,
        }
        assert f"windowing {windowing}" in (tmp_path / windowing / "inspect.html").read_text()
    assert command("merge", "merged", "share-1", "share-2", "--quiet") == 2
    assert "windowing percentile" in capsys.readouterr().err


def test_a_table_of_ones_own_is_prepared(command: Command, tmp_path: Path) -> None:
    assert command("synthesize", "chestxray14", "raw", "--studies", 4, "--image-size", 64, *SMALL) == 0
    images = sorted((tmp_path / "raw").rglob("*.png"))
    rows = [f"{path.relative_to(tmp_path / 'raw')},Case {number}." for number, path in enumerate(images)]
    (tmp_path / "own.csv").write_text("\n".join(["image,impression", *rows]))
    arguments = ("--table", "own.csv", "--split", "test", *SMALL)
    assert command("prepare", "table", "raw", "out", *arguments) == 0
    assert command("inspect", "out", "--strict", "--quiet") == 0
    groups = figures(tmp_path / "out")["counts"]["groups"]
    assert [(group["split"], group["studies"]) for group in groups] == [(None, 4), ("test", 4)]


@pytest.mark.parametrize("edition", ["jpg-2.1.0", "dicom-2.0.0", "dicom-2.1.0"])
def test_every_edition_of_mimic_cxr_gives_the_same_studies(command: Command, tmp_path: Path, edition: str) -> None:
    for name in ("jpg-2.0.0", edition):
        arguments = ("--studies", 6, "--image-size", 64, "--edition", name, *SMALL)
        assert command("synthesize", "mimic_cxr", f"raw-{name}", *arguments) == 0
        assert command("prepare", "mimic_cxr", f"raw-{name}", name, "--short-side", 64, *SMALL) == 0
    one, other = (read_manifest(tmp_path / name) for name in ("jpg-2.0.0", edition))
    for left, right in zip(one, other, strict=True):
        assert (left.id, left.split, len(left.images)) == (right.id, right.split, len(right.images))
        assert (left.sections, left.findings) == (right.sections, right.findings)


def test_reports_without_labels_are_labelled_on_request(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("synthesize", "chexpert_plus", "raw", "--studies", 8, "--image-size", 64, *SMALL) == 0
    assert command("prepare", "chexpert_plus", "raw", "plain", *SMALL) == 0
    assert "No study has labels. --labels names a table of them, --label-reports takes those" in capsys.readouterr().out
    assert command("prepare", "chexpert_plus", "raw", "labelled", "--label-reports", "--processes", 2, "--quiet") == 0
    assert "No study has labels" not in capsys.readouterr().out
    told = [read_manifest(tmp_path / name).provenance.labelled_by_rule for name in ("plain", "labelled")]
    assert told == [False, True]
    plain, labelled = (list(read_manifest(tmp_path / name)) for name in ("plain", "labelled"))
    assert not any(study.findings for study in plain)
    assert [study.findings for study in labelled] == [label_report(study.sections) for study in plain]
    assert all(study.findings for study in labelled)


def test_given_labels_stay_where_reports_are_labelled(command: Command, tmp_path: Path) -> None:
    assert command("synthesize", "mimic_cxr", "raw", "--studies", 6, "--image-size", 64, *SMALL) == 0
    for name, more in (("plain", ()), ("labelled", ("--label-reports",))):
        assert command("prepare", "mimic_cxr", "raw", name, *more, *SMALL) == 0
    plain, labelled = (list(read_manifest(tmp_path / name)) for name in ("plain", "labelled"))
    assert any(study.findings for study in plain)
    assert [study.findings for study in labelled if study.findings] == [
        study.findings or label_report(study.sections)
        for study in plain
        if study.findings or label_report(study.sections)
    ]


def test_ids_are_hashed_on_request(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "salt").write_text("0123456789abcdef0123456789abcdef\n")
    assert command("synthesize", "mimic_cxr", "raw", "--studies", 4, "--image-size", 64, *SMALL) == 0
    assert command("prepare", "mimic_cxr", "raw", "out", "--hash-ids", "salt", *SMALL) == 0
    assert all(re.fullmatch("[0-9a-f]{32}", study.patient) for study in read_manifest(tmp_path / "out"))
    assert command("inspect", "out", "--strict", "--samples", 2, "--quiet") == 0
    assert "ids hashed with the salt" in capsys.readouterr().out
    assert command("prepare", "mimic_cxr", "raw", "out", *SMALL) == 2
    assert "now None" in capsys.readouterr().err


def test_reports_come_in_one_house_style_on_request(command: Command, tmp_path: Path) -> None:
    arguments = ("--studies", 3, "--image-size", 64, "--style", "by_system", *SMALL)
    assert command("synthesize", "openi", "raw", *arguments) == 0
    assert "in the style by_system" in (tmp_path / "raw" / "world.json").read_text()
    assert command("synthesize", "openi", "raw", "--style", "loud") == 2
