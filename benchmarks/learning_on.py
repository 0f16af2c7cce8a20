"""A run learns on for a few epochs on the reports of one manifest, cheaply; for benchmarks of what a setting does."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from cxr_clip.assemble import open_sources
from cxr_clip.checkpoint import Run, load_run
from cxr_clip.recipe import dump_recipe, load_recipe
from cxr_clip.runlog import RunLog
from cxr_clip.train.loop import train
from cxr_clip.train.train_run import make_training

# One image and one text of a study, and images embedded by a tower that does not train: a tenth of the time.
SETTINGS: Mapping[str, object] = {
    "data.images_per_study": 1,
    "data.texts_per_study": 1,
    "loss.image_image": 0,
    "loss.text_text": 0,
    "model.image.train": "locked",
    "train.factors": {},
    "train.warmup_epochs": 0.5,
    "train.learning_rate": 5e-4,
    "train.precision": "fp32",
    "train.device": "cpu",
    "train.validate_epochs": 1000,
    "log.monitor": False,
    "log.zero_shot": False,
}


def learn_on(start: Path, manifest: Path, settings: Mapping[str, object], *, overrides: Sequence[str] = ()) -> Run:
    """The run with the weights after its last epoch; its first source's wording, and `settings` beside SETTINGS."""
    run = load_run(start)
    source = {**run.recipe.data.sources[0].model_dump(), "manifest": str(manifest)}
    changes = {**SETTINGS, "data.sources": [source], **settings}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recipe.yaml").write_text(dump_recipe(run.recipe))
        told = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in changes.items()]
        recipe = load_recipe(folder / "recipe.yaml", (*told, *overrides))
        further = Run(model=run.model, tokeniser=run.tokeniser, recipe=recipe)
        training = make_training(further, open_sources(recipe.data))
        with RunLog(folder, total_steps=training.pace.total_steps) as log:
            train(training, resume=folder / "resume", weights=folder / "weights", log=log)
    return further
