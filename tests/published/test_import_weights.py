"""A checkpoint becomes a run folder that embeds as its model did; one that does not fit is refused by name."""

import builtins
import hashlib
import json
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import cxr_clip
from cxr_clip.checkpoint import load_run
from cxr_clip.errors import CheckpointError
from cxr_clip.published.import_weights import import_weights
from cxr_clip.tensors import Tokens
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import onward
from support_published import WORDS, Hostile, checkpoint, published_weights, saved, settings, tiny_model, vocabulary

Weights = dict[str, Tensor]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return vocabulary(tmp_path / "words")


def test_the_run_folder_embeds_as_the_model_did(tmp_path: Path, words: Path) -> None:
    model = tiny_model()
    path = saved(tmp_path / "tiny.tar", checkpoint())
    imported = import_weights(path, tmp_path / "run", tokeniser=words)
    run = load_run(tmp_path / "run")
    images = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    tokens = Tokens(ids=torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), mask=torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))
    with torch.no_grad():
        assert torch.equal(run.model.embed_images(images), model.embed_images(images))
        assert torch.equal(run.model.embed_texts(tokens), model.embed_texts(tokens))
        assert torch.equal(run.model.scale, model.scale)
    assert run.recipe.name == "tiny"
    assert run.recipe.data.image_size == 32
    assert [source.manifest for source in run.recipe.data.sources] == [Path("mimic_cxr"), Path("chexpert")]
    assert (run.recipe.profile, run.recipe.train.weight_decay_on, run.recipe.train.best_by) == (
        "published",
        "all",
        "loss",
    )
    assert (run.recipe.data.training_pixels, run.recipe.data.sentence_order) == ("exact", "written")
    assert imported.origin.used == len(run.model.state_dict())
    assert imported.origin.tensors == len(published_weights(model))


def test_the_card_and_the_facts_say_where_the_weights_came_from(tmp_path: Path, words: Path) -> None:
    path = saved(tmp_path / "tiny.tar", checkpoint())
    import_weights(path, tmp_path / "run", tokeniser=words)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"`tiny.tar`, {path.stat().st_size:,} bytes" in card
    assert digest in card
    assert "3 relative_position_index, 1 position_ids" in card
    assert "text_encoder.text_encoder.pooler.dense.bias" in card
    origin = json.loads((tmp_path / "run" / "facts.json").read_text())["origin"]
    assert origin["sha256"] == digest
    assert str(tmp_path) not in "".join(
        one.read_text() for one in (tmp_path / "run").rglob("*.*") if one.suffix != ".safetensors"
    )


def test_a_training_of_ones_own_studies_starts_from_it(tmp_path: Path, words: Path) -> None:
    imported = tmp_path / "imported"
    import_weights(saved(tmp_path / "tiny.tar", checkpoint()), imported, tokeniser=words)
    recipe = onward(
        write_tiny_manifest(tmp_path / "own"),
        imported,
        ("model.image", {"pooling": "first", "train": "locked"}),
        ("model.embedding_size", 6),
        ("data.max_tokens", 24),
    )
    train_run(recipe, tmp_path / "new", progress=False)
    before, after = (load_run(folder).model for folder in (imported, tmp_path / "new"))
    image = dict(after.image.named_parameters())
    assert all(torch.equal(value, image[name]) for name, value in before.image.named_parameters())
    assert not torch.equal(before.text_projection.weight, after.text_projection.weight)


def test_the_result_is_what_load_takes(tmp_path: Path, words: Path) -> None:
    import_weights(saved(tmp_path / "tiny.tar", checkpoint()), tmp_path / "run", tokeniser=words)
    embedder = cxr_clip.load(tmp_path / "run", device="cpu")
    assert embedder.embed_texts(["No effusion.", "LEFT heart"]).shape == (2, 6)


@pytest.mark.parametrize(("named", "ours"), [("eos", "eos"), ("bos", "cls"), ("mean", "mean")])
def test_the_pooling_of_texts_has_our_name(named: str, ours: str, tmp_path: Path, words: Path) -> None:
    config = settings()
    config["model"]["text_encoder"]["pooling"] = named  # type: ignore[index]
    import_weights(saved(tmp_path / "tiny.tar", checkpoint(config=config)), tmp_path / "run", tokeniser=words)
    assert load_run(tmp_path / "run").model.text.pooling == ours


def test_the_statistics_of_images_are_those_that_the_training_sets_name(tmp_path: Path, words: Path) -> None:
    config = settings()
    for one in config["data_train"].values():  # type: ignore[attr-defined]
        one["normalize"] = "imagenet"
    import_weights(saved(tmp_path / "tiny.tar", checkpoint(config=config)), tmp_path / "run", tokeniser=words)
    mean = load_run(tmp_path / "run").model.image.mean
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))


def without(name: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        del weights[name]

    return change


def with_value(name: str, value: Tensor) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: value})


SWIN = "image_encoder.image_encoder."
BERT = "text_encoder.text_encoder."


@pytest.mark.parametrize(
    ("change", "words_"),
    [
        (without("logit_scale"), r"1 missing \(log_scale\)"),
        (without(f"{SWIN}layernorm.weight"), r"1 missing \(image\.backbone\.layernorm\.weight\)"),
        (with_value("text_encoder.extra", torch.ones(2)), r"1 unexpected \(text_encoder\.extra\)"),
        (with_value(f"{BERT}encoder.layer.7.output.dense.bias", torch.ones(64)), r"missing \(text\.backbone\.encoder"),
        (with_value("text_projection.projection.bias", torch.ones(5)), r"has shape \(5,\), and the model \(6,\)"),
        (with_value("logit_scale", torch.ones(2)), r"its logit_scale has shape \(2,\)"),
        (with_value("logit_scale", torch.tensor(torch.nan)), "its logit_scale holds numbers that are not finite"),
        (with_value(f"{BERT}embeddings.position_ids", torch.arange(24).flip(0)), "another one than the model makes"),
        (
            with_value(f"{SWIN}embeddings.patch_embeddings.projection.weight", torch.ones(8)),
            "absent or has another sha",
        ),
        (with_value(f"{SWIN}embeddings.patch_embeddings.projection.weight", torch.ones(4000, 3, 4, 4)), "has shape"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    change: Callable[[Weights], None], words_: str, tmp_path: Path, words: Path
) -> None:
    weights = published_weights(tiny_model())
    change(weights)
    path = saved(tmp_path / "tiny.tar", checkpoint(model=weights))
    with pytest.raises(CheckpointError, match=words_):
        import_weights(path, tmp_path / "run", tokeniser=words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("path", "value", "words_"),
    [
        ("model.text_encoder.pooling", "max", "is 'max', not eos, bos or mean"),
        ("model.text_encoder.pooling", None, "lack model.text_encoder.pooling"),
        ("model.temperature", "warm", "model.temperature is no plain float"),
        ("model.temperature", -1.0, r"impossible \(model.temperature"),
        ("base.image_size", None, "lack base.image_size"),
        ("base.image_size", 10**9, "images of 1000000000 px"),
        ("base.text_max_length", 25, "texts of 25 tokens; its text encoder takes 24"),
        ("data_train.chexpert.normalize", "secret", "normalise images by secret"),
        ("data_train.chexpert", ["a"], None),
    ],
)
def test_settings_that_make_no_model_are_named(
    path: str, value: object, words_: str | None, tmp_path: Path, words: Path
) -> None:
    config = settings()
    place = config
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]  # type: ignore[assignment]
    place[last] = value
    file = saved(tmp_path / "tiny.tar", checkpoint(config=config))
    if words_ is None:
        import_weights(file, tmp_path / "run", tokeniser=words)
        return
    with pytest.raises(CheckpointError, match=words_):
        import_weights(file, tmp_path / "run", tokeniser=words)


@pytest.mark.parametrize(
    "content", [[1], {"model": {}}, {"config": {}, "model": {}}, {"config": {}, "model": {"a": 1}}]
)
def test_another_kind_of_file_is_told(content: object, tmp_path: Path, words: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no model with its settings|its model is no list of tensors"):
        import_weights(saved(tmp_path / "tiny.tar", content), tmp_path / "run", tokeniser=words)


@pytest.mark.parametrize("place", ["model", "config", "optimizer", "epoch"])
@pytest.mark.parametrize("call", [(os.system, "touch TRACE"), (builtins.eval, "open('TRACE', 'w')")])
def test_a_hostile_checkpoint_is_refused_wherever_it_hides(
    call: tuple[object, ...], place: str, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "evil.tar", checkpoint(**{place: {"deep": [Hostile(*call)]}}))
    with pytest.raises(CheckpointError, match=r"evil\.tar is not read: its pickle names \w+\.(system|eval), which no"):
        import_weights(path, tmp_path / "run", tokeniser=words)
    assert not (tmp_path / "TRACE").exists()
    assert not (tmp_path / "run").exists()


def test_tensors_that_share_their_numbers_are_refused(tmp_path: Path, words: Path) -> None:
    """A thousand layers of one part of the file would be a small file and a large model."""
    weights = published_weights(tiny_model())
    layer = f"{BERT}encoder.layer."
    for number in range(1, 40):
        for name in [one for one in weights if one.startswith(f"{layer}0.")]:
            weights[name.replace(f"{layer}0.", f"{layer}{number}.")] = weights[name]
    path = saved(tmp_path / "tiny.tar", checkpoint(model=weights))
    with pytest.raises(CheckpointError, match="some of its tensors share their numbers"):
        import_weights(path, tmp_path / "run", tokeniser=words)


def test_names_of_a_model_of_several_gpus_are_those_below_its_wrapper(tmp_path: Path, words: Path) -> None:
    wrapped = {f"module.{name}": value for name, value in published_weights(tiny_model()).items()}
    import_weights(saved(tmp_path / "tiny.tar", checkpoint(model=wrapped)), tmp_path / "run", tokeniser=words)
    assert load_run(tmp_path / "run").recipe.name == "tiny"


def test_a_full_folder_is_left_alone(tmp_path: Path, words: Path) -> None:
    path = saved(tmp_path / "tiny.tar", checkpoint())
    with pytest.raises(CheckpointError, match="is there and not empty: give the path of a new folder"):
        import_weights(path, words, tokeniser=words)
    assert [one.name for one in words.iterdir()] == ["vocab.txt"]


def test_a_tokeniser_that_is_not_to_be_had_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "tiny.tar", checkpoint())
    with pytest.raises(
        CheckpointError, match=r"'nobody/nowhere' that the file names cannot be loaded .*: --tokeniser FOLDER"
    ):
        import_weights(path, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"no folder at .*absent; .*--tokeniser FOLDER"):
        import_weights(path, tmp_path / "run", tokeniser=tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"the tokeniser in .*empty cannot be loaded"):
        import_weights(path, tmp_path / "run", tokeniser=tmp_path / "empty")


@pytest.mark.parametrize("named", ["/etc", "../../secrets", "a/b/c", "-x", "a b"])
def test_a_file_names_no_place_on_this_machine(named: str, tmp_path: Path) -> None:
    config = settings()
    config["tokenizer"] = {"pretrained_model_name_or_path": named}
    path = saved(tmp_path / "tiny.tar", checkpoint(config=config))
    with pytest.raises(CheckpointError, match="is no name on the hub"):
        import_weights(path, tmp_path / "run")


def test_the_tokeniser_of_another_model_is_refused(tmp_path: Path, words: Path) -> None:
    (words / "vocab.txt").write_text("\n".join([*WORDS, "lung"]) + "\n")
    path = saved(tmp_path / "tiny.tar", checkpoint())
    with pytest.raises(CheckpointError, match="numbers 11 tokens and the text encoder embeds 10"):
        import_weights(path, tmp_path / "run", tokeniser=words)


def test_the_heads_of_the_text_encoder_are_those_beside_the_tokeniser(tmp_path: Path, words: Path) -> None:
    (words / "config.json").write_text(json.dumps({"model_type": "bert", "num_attention_heads": 4}))
    import_weights(saved(tmp_path / "tiny.tar", checkpoint()), tmp_path / "run", tokeniser=words)
    config = json.loads((tmp_path / "run" / "text_encoder" / "config.json").read_text())
    assert config["num_attention_heads"] == 4


def test_spoiled_checkpoints_are_refused_or_imported_and_never_crash(tmp_path: Path, words: Path) -> None:
    """The pickle alone is spoiled, in a whole zip, so that faults get past the check sums."""
    path = saved(tmp_path / "tiny.tar", checkpoint())
    with zipfile.ZipFile(path) as file:
        parts = {info.filename: file.read(info) for info in file.infolist()}
    (name,) = (one for one in parts if one.endswith("data.pkl"))
    rng = random.Random(3)
    refused = 0
    for number in range(60):
        spoiled = bytearray(parts[name])
        for _ in range(rng.randint(1, 3)):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        with zipfile.ZipFile(path, "w") as file:
            for one, data in parts.items():
                file.writestr(one, bytes(spoiled) if one == name else data)
        try:
            import_weights(path, tmp_path / f"run{number}", tokeniser=words)
        except CheckpointError:
            refused += 1
    assert refused > 20


def test_pickles_of_python_itself_are_not_used(tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "tiny.tar", checkpoint())

    def forbidden(*_arguments: object, **_options: object) -> None:
        raise AssertionError("pickle was used")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, forbidden)
    import_weights(path, tmp_path / "run", tokeniser=words)
