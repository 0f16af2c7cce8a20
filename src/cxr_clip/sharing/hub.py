"""Models on the hub: find one by its name, put one there."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

from cxr_clip.checkpoint import RECIPE, STARTED_FROM, WEIGHTS, Run, is_run
from cxr_clip.errors import CheckpointError, HubError
from cxr_clip.sharing.facts import FACTS, Facts
from cxr_clip.sharing.folder import BESIDE_WEIGHTS, write_model

_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
# What a model consists of; nothing else of a hub folder is fetched.
_FOLDERS = ("image_encoder/*.json", "text_encoder/*.json", "tokeniser/*.json", "tokeniser/*.txt")
_FILES = (RECIPE, STARTED_FROM, WEIGHTS, FACTS, *BESIDE_WEIGHTS, *_FOLDERS)


@runtime_checkable
class HubApi(Protocol):
    """The two calls of `huggingface_hub.HfApi` that a push makes."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        """Make the place of a model, if it is not there."""

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> object:
        """Put the files of a folder there, as one change."""


def find_model(name_or_folder: str | Path, *, revision: str | None = None) -> Path:
    """Return the folder of a model: a local one, or the copy of one on the hub ("owner/name"), fetched if need be.

    `revision` is a branch, tag or commit of the hub.

    Raises CheckpointError for a local folder with a revision, HubError where there is neither such a folder nor such a
    model, or it cannot be reached.
    """
    folder = Path(name_or_folder)
    if folder.exists() or not isinstance(name_or_folder, str) or not _HUB_NAME.fullmatch(name_or_folder):
        if revision is not None:
            raise CheckpointError(f"revision={revision!r} has no effect on the folder {folder}: leave it out")
        return folder
    fetched = _fetched(name_or_folder, revision)
    if not is_run(fetched):
        raise HubError(f"{name_or_folder} on the hub is no model of cxr-clip (no {RECIPE}): check the name")
    return fetched


def push_model(
    repo_id: str,
    run: Run,
    facts: Facts,
    *,
    private: bool = True,
    licence: str = "other",
    source: Path | None = None,
    api: HubApi | None = None,
) -> str:
    """Write a model to the hub and return its address; a new place is private unless told otherwise.

    Raises HubError where the name is none, the login is missing, or the hub refuses or cannot be reached.
    """
    if not _HUB_NAME.fullmatch(repo_id):
        raise HubError(f"{repo_id!r} is no name of a model on the hub: give owner/name")
    with TemporaryDirectory() as place:
        folder = Path(place) / "model"
        write_model(folder, run, facts, licence=licence, address=repo_id, source=source)
        _upload(api or _hub(), repo_id, folder, private=private)
    return f"https://huggingface.co/{repo_id}"


def _hub() -> HubApi:
    from huggingface_hub import HfApi

    api: HubApi = HfApi()
    return api


def _upload(api: HubApi, repo_id: str, folder: Path, *, private: bool) -> None:
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=str(folder), commit_message="Model of cxr-clip")
    except _errors() as error:
        mend = "log in with `hf auth login` and a token that may write, and check the owner's name and the network"
        raise HubError(f"cannot write {repo_id} to the hub ({_reason(error)}): {mend}") from error


def _fetched(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_FILES)))
    except _errors() as error:
        raise HubError(
            f"{name!r} is neither a folder here nor a model on the hub that can be reached ({_reason(error)}): give "
            "the path of a run folder, or check the name, the network and your login"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises: its own errors, and those of its HTTP library, which are their base."""
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)]
    return (OSError, ValueError, *bases)


def _reason(error: Exception) -> str:
    words = str(error).strip()
    return words.splitlines()[0].rstrip(".") if words else type(error).__name__
