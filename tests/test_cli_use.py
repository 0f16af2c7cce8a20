"""A trained model in use, by the commands."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cxr_clip
from cxr_clip.calibration import Calibration, PredictionBounds, hash_weights, write_calibration
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed_manifest import STUDIES_IN_PART
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.study import Split
from support_calibration import EDEMA
from support_data import made_up_picture, write_tiny_manifest
from support_models import tiny_run_folder
from support_programs import environment

Command = Callable[..., int]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("run"), manifest)


def test_a_manifest_is_embedded(
    command: Command, run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("embed", run, manifest, "all.parquet", "--split", "test", "--device", "cpu", "--quiet") == 0
    assert (
        "all.parquet: 12 image, 4 findings, 4 impression embeddings of 12 numbers (float16)" in capsys.readouterr().out
    )
    assert command("embed", run, manifest, "all.parquet", "--float32") == 2
    assert "all.parquet has embeddings of another precision (float16 there, float32 asked), split" in (
        capsys.readouterr().err
    )
    assert command("embed", run, manifest, tmp_path) == 2
    assert "is a folder: give the name of a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "seen"),
    [("a\x1b]0;b\x07\x9b31m [1].png", r"a\u001b]0;b\u0007\u009b31m [1].png"), ("a\udcff.png", r"a\udcff.png")],
    ids=["controls", "a byte that is no character"],
)
def test_a_name_that_would_drive_the_terminal_is_spelt_out(
    command: Command, run: Path, name: str, seen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(made_up_picture(1)).save(Path(name), format="PNG")
    asked = (run, name, "--finding", "edema", "--device", "cpu")
    assert command("classify", *asked) == 0
    assert seen in capsys.readouterr().out
    assert command("classify", *asked, "--json") == 0
    line = capsys.readouterr().out
    assert line.strip().isprintable()
    assert json.loads(line)["name"] == name
    assert command("classify", run, f"no {name}", "--device", "cpu") == 2
    assert f"(no {seen})" in capsys.readouterr().err


def test_two_workers_write_the_file_of_one(command: Command, run: Path, tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=STUDIES_IN_PART + 2)  # a part for each
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "cxr_clip"]
    ended = subprocess.run(
        [*program, "embed", run, manifest, tmp_path / "two.parquet", "--float32", "--device", "cpu"],
        env=environment() | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("embeddings of 12 numbers") == 1
    assert command("embed", run, manifest, "one.parquet", "--float32", "--device", "cpu", "--quiet") == 0
    one, two = read_embeddings(tmp_path / "one.parquet"), read_embeddings(tmp_path / "two.parquet")
    torch.testing.assert_close(one.values, two.values)
    assert one.about.equals(two.about)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two pictures that might be chests, and one that is plainly none."""
    pictures = (made_up_picture(0), np.full((60, 60), 9, np.uint8), made_up_picture(1))
    paths = [tmp_path / name for name in ("a [1].png", "grey.png", "b.png")]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def test_images_are_classified_for_people(
    command: Command, run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--finding", "edema", "--findings", "A tube is seen.", "--device", "cpu")
    assert command("classify", run, files[0], files[2], *options) == 0
    shown = capsys.readouterr().out
    assert shown.count("similarity, not a probability") == 4
    assert "a [1].png" in shown.replace("\n", "")
    assert f"for more: cxr-clip reference {run}" in shown
    assert command("classify", run, *files, *options, "--quiet") == 3
    shown = capsys.readouterr().out
    assert f"{files[1]}: the model abstains: it has hardly any contrast" in shown
    assert "for more" not in shown
    assert command("classify", run, *files, *options, "--always") == 0


def test_a_prediction_set_stands_beside_its_probability_and_is_told_what_it_means(
    command: Command, run: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a rare finding "positive" is no high probability; a reader sees both, and why."""
    folder = tmp_path / "rare"
    shutil.copytree(run, folder)
    positive = PredictionBounds(level=0.9, positive_from=-2.0, negative_to=-1.9)
    rare = replace(EDEMA, slope=0.0, intercept=-1.4, covariance=((0.0, 0.0), (0.0, 0.01)), prediction=positive)
    write_calibration(folder, Calibration(hash_weights(folder), "x", Split.VALIDATE, {"Edema": rare}))
    asked = ("classify", folder, files[0], "--finding", "edema", "--finding", "Fracture", "--device", "cpu")
    assert command(*asked) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "0.20 (0.17 to 0.23) │ positive │" in shown
    assert "where the finding is rare, it may be unlikely all the same" in shown
    assert command(*asked, "--quiet") == 0
    assert "may be unlikely" not in capsys.readouterr().out


def test_images_are_classified_for_programs(
    command: Command, run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("classify", run, *files, "--json", "--device", "cpu") == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = cxr_clip.load(run, device="cpu").classify(files)
    assert [line["name"] for line in lines] == [one.name for one in expected]
    assert [line["abstained"] for line in lines] == [[], list(expected[1].abstained), []]
    for line, one in zip(lines, expected, strict=True):
        assert [found["finding"] for found in line["findings"]] == [score.finding for score in one.findings]
        assert [found["score"] for found in line["findings"]] == [score.score for score in one.findings]
        assert all(found["probability"] is None for found in line["findings"])


def test_a_study_is_classified(
    command: Command, run: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("mine: {Fracture: {positive: [Broken rib], negative: [Ribs intact]}}")
    options = ("--study", "--view", "pa", "--view", "lateral", "--prompts", "own.yaml", "--json", "--device", "cpu")
    assert command("classify", run, *files[::2], *options) == 0
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (line["name"], line["images"], line["findings"][0]["finding"]) == ("study", 1, "Fracture")
    assert command("classify", run, *files[:2], "--study", "--finding", "edema") == 3
    shown = capsys.readouterr().out
    assert f"study: the model abstains: {files[1]}: it has hardly" in shown
    assert "--always scores pictures that look like no chest X-ray too" in shown


def test_mistakes_are_told_in_one_sentence(
    command: Command, run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("classify", run, files[0], "absent.dcm") == 2
    assert capsys.readouterr().err == (
        "cxr-clip: picture 1 (absent.dcm): the file cannot be read (No such file or directory): check the path\n"
    )
    assert command("classify", run, files[0], "--finding", "oedemma") == 2
    assert "There is no finding called 'oedemma'" in capsys.readouterr().err
    assert command("classify", run, files[0], "--view", "pa") == 2
    assert "--view has no effect without --study" in capsys.readouterr().err


def test_a_run_learns_which_images_it_knows(
    command: Command, manifest: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_run_folder(tmp_path / "other", manifest)
    assert command("reference", folder, "--device", "cpu", "--quiet") == 0
    assert "15 training images say what is usual; 1% of 7 validation images lie beyond" in capsys.readouterr().out
    model = cxr_clip.load(folder, device="cpu")
    assert model.reference is not None
    studies, store = read_manifest(manifest).where(split=Split.VALIDATE), ImageStore(manifest)
    pictures = [store.read(image) for study in studies for image in study.images]
    distances = model.reference.distances(
        model.encoder.features([model.encoder.square(picture) for picture in pictures])
    )
    assert model.reference.limit == pytest.approx(float(torch.quantile(distances, 0.99)), rel=1e-4)
    assert sum(bool(answer.abstained) for answer in model.classify(pictures, ["edema"])) == 1
    command("classify", folder, files[0], "--finding", "edema")
    assert "for more" not in capsys.readouterr().out


def test_the_shell_completes_commands_offline() -> None:
    typed = {"_CXR_CLIP_COMPLETE": "complete_bash", "COMP_WORDS": "cxr-clip class", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['cxr-clip']; from cxr_clip.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment() | typed, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == ["classify"], ended.stderr


def test_what_was_calibrated_has_probabilities(
    command: Command, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_run_folder(tmp_path / "run", manifest)
    assert command("calibrate", folder, manifest, "--min-positives", 1, "--device", "cpu", "--quiet") == 0
    image = tmp_path / "chest.png"
    Image.fromarray(made_up_picture(1)).save(image)
    capsys.readouterr()
    assert command("classify", folder, image, "--finding", "Mass", "--finding", "Edema", "--json") == 0
    mass, edema = json.loads(capsys.readouterr().out)["findings"]
    assert mass["probability"].keys() == {"value", "low", "high"}
    assert mass["meaning"].startswith(f"{mass['probability']['value']:.2f} (")
    assert edema["probability"] is None
