"""A model on the hub is found by its name in the cache, and put there by two calls; nothing here needs a network."""

import shutil
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from huggingface_hub.errors import LocalTokenNotFoundError
from huggingface_hub.utils import filter_repo_objects

import cxr_clip
from cxr_clip.checkpoint import Run
from cxr_clip.embed import Embedder
from cxr_clip.errors import CheckpointError, CxrClipError, EvaluationError, HubError
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run
from cxr_clip.sharing.folder import without_places
from support_data import write_tiny_manifest
from support_models import SENTENCES, tiny_recipe, tiny_run

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Shelf:
    """Stands for the hub: keeps what is uploaded in a folder, and the calls in their order."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.calls: list[tuple[object, ...]] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        self.calls.append(("create", repo_id, private, exist_ok))
        return repo_id

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> object:
        self.calls.append(("upload", repo_id))
        shutil.copytree(folder_path, self.place / repo_id)
        return commit_message


class ClosedShelf(Shelf):
    """A hub that lets nobody in."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        raise LocalTokenNotFoundError("Token is required, but no token found.\nMore lines.")


@pytest.fixture(scope="module")
def run() -> Run:
    torch.manual_seed(2)
    return tiny_run(tiny_recipe(Path("nowhere")))


@pytest.fixture
def cache(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub that holds owner/model, as a download leaves it."""
    place = tmp_path / "cache"
    model = place / "models--owner--model"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    Embedder(run).save(model / "snapshots" / COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place))
    return place


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_model_is_loaded_by_its_name(cache: Path, run: Run, revision: str | None) -> None:
    loaded = cxr_clip.load("owner/model", device="cpu", revision=revision)
    assert torch.equal(loaded.embed_texts(SENTENCES), Embedder(run).embed_texts(SENTENCES))


def test_all_that_is_saved_is_fetched_but_the_card(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = tmp_path / "saved"
    Embedder(replace(run, started_from=(run.recipe,))).save(saved)
    files = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    fetched: set[str] = set()

    def fetch(_name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        fetched.update(filter_repo_objects(files, allow_patterns=allow_patterns))
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert cxr_clip.load("owner/model", device="cpu").started_from == (without_places(run).recipe,)
    assert files - fetched == {"README.md"}


@pytest.mark.parametrize(("name", "revision"), [("owner/other", None), ("owner/model", "v9"), ("runs/none", None)])
def test_one_that_is_not_to_be_had_is_told(cache: Path, name: str, revision: str | None) -> None:
    with pytest.raises(
        HubError, match=rf"'{name}' is neither a folder here nor a model on the hub .* give the path of"
    ):
        cxr_clip.load(name, device="cpu", revision=revision)


@pytest.mark.parametrize("name", ["nothing", "/no/where", "a/b/c", "../up", "owner/model/"])
def test_what_is_no_name_of_the_hub_is_a_folder(cache: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        cxr_clip.load(name, device="cpu")


def test_a_folder_goes_before_the_hub(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "model").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="owner/model is not a run folder"):
        cxr_clip.load("owner/model", device="cpu")
    with pytest.raises(CheckpointError, match="is not a run folder"):
        cxr_clip.load(Path("owner/other"), device="cpu")


def test_a_revision_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="revision='v1' has no effect on the folder"):
        cxr_clip.load(tmp_path, device="cpu", revision="v1")


def test_another_kind_of_model_on_the_hub_is_told(cache: Path) -> None:
    (cache / "models--owner--model" / "snapshots" / COMMIT / "recipe.yaml").unlink()
    with pytest.raises(HubError, match=r"owner/model on the hub is no model of cxr-clip \(no recipe.yaml\)"):
        cxr_clip.load("owner/model", device="cpu")


def test_a_push_makes_a_private_place_and_fills_it(run: Run, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    address = Embedder(run).push("owner/new", api=shelf)
    assert address == "https://huggingface.co/owner/new"
    assert shelf.calls == [("create", "owner/new", True, True), ("upload", "owner/new")]
    again = cxr_clip.load(tmp_path / "owner" / "new", device="cpu")
    assert torch.equal(again.embed_texts(SENTENCES), Embedder(run).embed_texts(SENTENCES))
    assert "cxr_clip.load('owner/new')" in (tmp_path / "owner" / "new" / "README.md").read_text()


def test_a_push_can_be_public_and_under_a_licence(run: Run, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    Embedder(run).push("owner/open", private=False, licence="apache-2.0", api=shelf)
    assert shelf.calls[0] == ("create", "owner/open", False, True)
    assert "license: apache-2.0" in (tmp_path / "owner" / "open" / "README.md").read_text()


def test_a_hub_that_refuses_is_told_with_the_mend(run: Run, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"\(Token is required, but no token found\): log in with `hf auth login`"):
        Embedder(run).push("owner/new", api=ClosedShelf(tmp_path))


def test_the_hub_itself_is_not_reached_offline(run: Run) -> None:
    with pytest.raises(HubError, match="cannot write owner/new to the hub"):
        Embedder(run).push("owner/new")


@pytest.mark.parametrize("name", ["model", "a/b/c", "../b", "a b/c", "", "/x"])
def test_a_name_that_is_none_is_refused_before_anything_is_sent(name: str, run: Run, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(CxrClipError, match="is no name of a model on the hub: give owner/name"):
        Embedder(run).push(name, api=shelf)
    assert not shelf.calls


def test_a_model_of_the_hub_is_measured_and_its_report_goes_where_it_is_told(cache: Path, tmp_path: Path) -> None:
    request = EvaluationRequest(write_tiny_manifest(tmp_path / "data", test=4), styles=("standard",))
    with pytest.raises(EvaluationError, match=r"owner/model is a model of the hub, .*: say where with --out"):
        evaluate_run("owner/model", request, device="cpu")
    evaluation = evaluate_run("owner/model", request, device="cpu", out=tmp_path / "here")
    assert evaluation.page == tmp_path / "here" / "report.html"


def test_the_report_of_a_saved_model_lies_in_its_folder(run: Run, tmp_path: Path) -> None:
    Embedder(run).save(tmp_path / "saved")
    request = EvaluationRequest(write_tiny_manifest(tmp_path / "data", test=4), styles=("standard",))
    assert evaluate_run(str(tmp_path / "saved"), request, device="cpu").page == tmp_path / "saved" / "report.html"
