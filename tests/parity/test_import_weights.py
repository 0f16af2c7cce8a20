"""Checkpoints of the published code, imported, give its recorded embeddings."""

import importlib.util
import io
import json
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.model.tokeniser import tokenise
from cxr_clip.published.import_weights import import_weights
from cxr_clip.tensors import Tokens

pytestmark = pytest.mark.shared
MODELS = ("model_swin_trainer", "model_resnet_recipe")


@pytest.fixture(scope="module")
def runs(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Both checkpoints, through the file that the published code wrote, or one that is rebuilt from its recipe."""
    golden, place = shared_folder / "golden", tmp_path_factory.mktemp("imported")
    files = {
        "model_swin_trainer": golden / "model_swin_trainer" / "model-best.tar",
        "model_resnet_recipe": rebuilt(golden / "model_resnet_recipe", place / "model-best.tar"),
    }
    for name, file in files.items():
        import_weights(file, place / name, tokeniser=golden / "standins" / "bert_tiny")
    return {name: load_run(place / name) for name in files}


def rebuilt(folder: Path, out: Path) -> Path:
    """The checkpoint whose weights are functions of their names: the recorded pickle of all else, and a model."""
    recipe = module(folder / "recipe.py")
    index = json.loads((folder / "state_dict_index.json").read_text())
    model = OrderedDict(
        (name, torch.from_numpy(np.array(recipe.tensor_for(name, tuple(one["shape"]))))) for name, one in index.items()
    )
    buffer = io.BytesIO()
    torch.save({"model": model}, buffer)
    with zipfile.ZipFile(buffer) as weights, zipfile.ZipFile(folder / "model-best.skeleton.tar") as skeleton:
        (root,) = {name.partition("/")[0] for name in weights.namelist()}
        others = skeleton.read("model-best.skeleton/data.pkl")
        parts = {info.filename: weights.read(info) for info in weights.infolist()}
    # Both pickles fill one dict: the start of the second (protocol, empty dict, its number 0) gives way to the first.
    own = parts[f"{root}/data.pkl"]
    assert own.startswith(b"\x80\x02}q\x00")
    assert others.startswith(b"\x80\x02}q\x00")
    parts[f"{root}/data.pkl"] = others.removesuffix(b".") + own.removeprefix(b"\x80\x02}q\x00")
    with zipfile.ZipFile(out, "w") as whole:
        for name, data in parts.items():
            whole.writestr(name, data)
    return out


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def recorded(shared_folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(shared_folder / "golden" / name / "io.npz") as stored:
        return dict(stored)


def assert_close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_images_have_the_recorded_features_and_embeddings(runs, recorded, name: str) -> None:
    model = runs[name].model
    images, views = (torch.from_numpy(recorded[key][:, None, :, :, 0]) for key in ("images_u8", "views_u8"))
    assert_close(model.image(images), recorded["image_features"], 1e-4)
    assert_close(model.embed_images(images), recorded["out_image_embeddings"])
    assert_close(model.embed_images(views), recorded["out_image_view_embeddings"])


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_texts_have_the_recorded_embeddings_from_words_and_from_tokens(
    runs, recorded, name: str, shared_folder: Path
) -> None:
    run = runs[name]
    info = json.loads((shared_folder / "golden" / name / "info.json").read_text())
    for texts, number, key in ((info["texts"], 1, "out_text_embeddings"), (info["texts2"], 2, "out_text_embeddings2")):
        own = tokenise(run.tokeniser, texts, max_length=run.recipe.data.max_tokens)
        parts = ("input_ids", "attention_mask")
        padded = Tokens(*(torch.from_numpy(recorded[f"tokens{number}_{part}"]) for part in parts))
        assert_close(run.model.embed_texts(own), recorded[key])
        assert_close(run.model.embed_texts(padded), recorded[key])


@pytest.mark.parametrize("name", MODELS)
def test_the_scale_and_the_settings_are_those_of_the_file(runs, recorded, name: str) -> None:
    run = runs[name]
    assert_close(run.model.scale.detach(), recorded["out_logit_scale"][None])
    assert run.recipe.profile == "published"
    assert run.recipe.data.image_size == 224
    assert run.recipe.data.max_tokens == 256
    assert run.recipe.model.text.pooling == "eos"
    assert run.recipe.model.embedding_size == 512
    assert run.recipe.loss.text_text == 0.5
    assert run.recipe.train.learning_rate == 5e-5
    assert [str(one.manifest) for one in run.recipe.data.sources] == ["mimic_cxr", "chexpert"]


def test_each_backbone_keeps_its_pooling_and_its_statistics(runs) -> None:
    swin, resnet = (runs[name].model.image for name in MODELS)
    assert swin.pooling == "first"
    assert resnet.pooling == "mean"
    torch.testing.assert_close(swin.mean.flatten(), torch.full((3,), 0.5))
    torch.testing.assert_close(resnet.std.flatten(), torch.tensor([0.229, 0.224, 0.225]))
