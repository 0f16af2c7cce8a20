"""A made-up world to experiment on: studies with reports, and studies with labels only, prepared and small."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from cxr_clip.evaluate.study_images import Advance
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.synthetic import synthesize_chestxray14, synthesize_openi

SEED = 7


@dataclass(frozen=True)
class World:
    """How many studies of each kind, and the side of their images in pixels."""

    reports: int = 3000
    labels: int = 1500
    image_size: int = 64


@dataclass(frozen=True)
class Manifests:
    """Prepared folders: studies with reports, and studies with labels only."""

    reports: Path
    labels: Path


def make_world(
    folder: Path, world: World | None = None, *, processes: int = 1, advance: Advance | None = None
) -> Manifests:
    """Make up both sources below `folder` and prepare them; what is there is passed over."""
    world = world or World()
    manifests = Manifests(folder / "reports", folder / "labels")
    options = PrepareOptions(short_side=world.image_size, processes=processes)
    total = world.reports + world.labels

    def tell(done: int) -> None:
        if advance is not None:
            advance(done, total)

    raw = folder / "reports-raw"
    synthesize_openi(
        raw,
        studies=world.reports,
        seed=SEED,
        processes=processes,
        image_size=world.image_size,
        progress=tell,
    )
    prepare_openi(raw, manifests.reports, options)
    raw = folder / "labels-raw"
    synthesize_chestxray14(
        raw,
        studies=world.labels,
        seed=SEED + 1,
        processes=processes,
        image_size=world.image_size,
        progress=lambda done: tell(world.reports + done),
    )
    prepare_chestxray14(raw, manifests.labels, options)
    return manifests


def small_recipe() -> Path:
    """The path of the recipe for this world: minutes of one CPU core for all epochs."""
    path = resources.files("cxr_clip") / "resources" / "experiments.yaml"
    with resources.as_file(path) as file:
        return file
