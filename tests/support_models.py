"""Tiny real models and recipes that several tests build on."""

from pathlib import Path

import torch

from cxr_clip.checkpoint import WEIGHTS, Run, write_run
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.model.tokeniser import train_tokeniser
from cxr_clip.recipe import Recipe
from cxr_clip.tensor_files import save_weights

IMAGE = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
}
TEXT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
SENTENCES = (
    "There is a small right pleural effusion.",
    "No pneumothorax is seen.",
    "The heart is enlarged, consistent with cardiomegaly.",
    "The lungs are clear.",
)


def tiny_recipe(manifest: Path, *changes: tuple[str, object]) -> Recipe:
    """A recipe that trains in seconds; `changes` are (section.key, value)."""
    settings: dict[str, dict[str, object]] = {
        "data": {"sources": [{"manifest": str(manifest)}], "image_size": 32, "max_tokens": 48},
        "model": {
            "image": {"architecture": IMAGE},
            "text": {"architecture": TEXT, "tokeniser": {"vocabulary_size": 200}},
            "embedding_size": 12,
        },
        "loss": {},
        "train": {"batch_size": 4, "epochs": 2, "learning_rate": 1e-3, "precision": "fp32", "device": "cpu"},
        "log": {"every_steps": 1},
    }
    for key, value in changes:
        section, name = key.split(".")
        settings[section][name] = value
    return Recipe.model_validate({"name": "tiny", **settings})


def onward(manifest: Path, start: Path, *changes: tuple[str, object]) -> Recipe:
    """A tiny recipe that names neither tower, as it starts from the run `start`."""
    return tiny_recipe(manifest, ("model.start_from", str(start)), ("model.image", {}), ("model.text", {}), *changes)


def tiny_run(recipe: Recipe) -> Run:
    """A run with random weights and a tokeniser of four sentences."""
    tokeniser = train_tokeniser(SENTENCES, vocabulary_size=200, lowercase=True)
    model = DualEncoder(
        image_encoder_from_architecture(IMAGE, pooling="mean"),
        text_encoder_from_architecture({**TEXT, "vocab_size": len(tokeniser)}, pooling="eos"),
        dim=recipe.model.embedding_size,
    )
    return Run(model=model, tokeniser=tokeniser, recipe=recipe)


def tiny_run_folder(folder: Path, manifest: Path, *, seed: int = 4) -> Path:
    """A run folder with random weights, the same ones for the same seed."""
    torch.manual_seed(seed)
    run = tiny_run(tiny_recipe(manifest))
    write_run(folder, run)
    save_weights(folder / WEIGHTS, run.model)
    return folder
