"""What benchmarks/gpu.py trains: towers, a store of made-up radiographs and reports, the recipe of a case."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_clip.data.images import for_store
from cxr_clip.data.manifest import ManifestWriter
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.recipe import Recipe
from cxr_clip.study import ImageFile, Split, Study
from cxr_clip.synthetic.files import png
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.pathology import draw_findings
from cxr_clip.synthetic.single_images import draw_single


@dataclass(frozen=True)
class Size:
    """How much is measured, and of what: towers by name, studies of the store, seconds of a case, side of a product."""

    images: dict[str, object]
    text: dict[str, object]
    batches: tuple[int, ...]
    studies: int
    pictures: int
    short_side: int
    image_size: int
    seconds: float
    warm_up: int
    matrix: int
    backend: str


FULL = Size(
    images={"resnet50": "resnet50", "swin-tiny": "swin-tiny"},
    text={"model_type": "bert"},
    batches=(128, 256, 512, 1024, 2048, 4096),
    studies=8192,
    pictures=48,
    short_side=512,
    image_size=224,
    seconds=6.0,
    warm_up=3,
    matrix=8192,
    backend="inductor",
)
TINY = Size(
    images={
        "tiny-resnet": {
            "model_type": "resnet",
            "embedding_size": 8,
            "hidden_sizes": (8,),
            "depths": (1,),
            "layer_type": "basic",
        }
    },
    text={
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
    batches=(4,),
    studies=12,
    pictures=2,
    short_side=48,
    image_size=32,
    seconds=0.0,
    warm_up=1,
    matrix=256,
    backend="eager",
)


def write_store(folder: Path, size: Size) -> None:
    """A prepared folder: few pictures, many studies of two of them, each with a report of its own."""
    stored = [
        for_store(png(draw_single((0, number), image_size=size.short_side).picture), short_side=size.short_side)
        for number in range(size.pictures)
    ]
    with ShardWriter(folder, "shards/images-00000.tar") as shard, ManifestWriter(folder / "manifest.parquet") as rows:
        images = [
            ImageFile(
                f"{number}.{one.suffix}",
                stored=shard.add(member_name("picture", number, one.suffix), one.data),
                height=one.height,
                width=one.width,
            )
            for number, one in enumerate(stored)
        ]
        for number in range(size.studies):
            rng = np.random.default_rng((1, number))
            report = write_report(draw_findings(rng), rng, age=int(rng.integers(20, 90)), sex="F")
            texts = {"findings": report.findings or f"Study {number}.", "impression": report.impression}
            chosen = (images[int(row)] for row in rng.choice(len(images), 2, replace=False))
            rows.write(
                Study(
                    id=f"study-{number}",
                    patient=f"patient-{number}",
                    source="benchmark",
                    split=Split.TRAIN,
                    images=tuple(chosen),
                    sections={name: text for name, text in texts.items() if text},
                )
            )


def recipe(folder: Path, size: Size, tower: str, *, batch: int, processes: int, device: str) -> Recipe:
    """The recipe of one case."""
    return Recipe.model_validate(
        {
            "name": f"{tower}-{batch}",
            "data": {"sources": ({"manifest": folder},), "image_size": size.image_size},
            "model": {
                "image": {"architecture": size.images[tower]},
                "text": {"architecture": size.text, "tokeniser": {"vocabulary_size": 4000}},
            },
            "train": {
                "batch_size": batch,
                "epochs": 1000,
                "precision": "bf16",
                "device": device,
                "loader_processes": processes,
            },
        }
    )
