"""How fast training samples are made: on one core, beside the plain form and the bare decoder.

python benchmarks/data.py            # about two minutes
python benchmarks/data.py --tiny     # only whether it works

One process, one thread. All forms take turns, a block of samples each, and every form sees the same pictures; a sample
is two different pictures of one study. Processor times count (the clock's are kept beside them): the rate of a form is
that of its median block, a ratio is the median of the ratios of blocks of the same turn.

- ours: item after item of the training set of a recipe, that is manifest row, texts, store, decoding, augmentation,
  from a store of short side 512 and one of 256, quickly and with `data.training_pixels=exact`;
- plain: the steps of the published code, one after the other on pictures of three channels in Pillow and OpenCV: open,
  RGB, crop, resize, CLAHE in Lab, brightness, contrast, saturation, hue, float tensor, normalised. It reads no text;
- batches: ours, and the tokens and tensors of a batch on top;
- bare: libjpeg-turbo alone (cv2.imdecode to grey) for the two pictures of a sample, at full and at half scale.

The loader is timed on the clock: from nothing to the first batch, with no process, one and two; its processes are forks
and import nothing. The pictures are real radiographs where ../shared/data has any of 1,024 pixels, else made-up ones.
"""

import argparse
import io
import json
import mmap
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance

from cxr_clip.assemble import make_training_set, open_sources
from cxr_clip.data.batching import Collate, TrainingOrder, batches
from cxr_clip.data.crops import random_crop
from cxr_clip.data.dataset import SampleKey, StudyDataset
from cxr_clip.data.images import for_store
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.data.store import ImageStore, ShardWriter, member_name
from cxr_clip.model.normalisation import IMAGENET
from cxr_clip.model.tokeniser import tokenise, train_tokeniser
from cxr_clip.recipe import DataSettings, SourceSettings
from cxr_clip.study import ImageFile, Split, Study
from cxr_clip.synthetic.files import png
from cxr_clip.synthetic.single_images import draw_single

RESULTS = Path(__file__).parent / "results" / "data.json"
REAL = Path(__file__).parents[2] / "shared" / "data" / "chestxray14" / "images"
SIDES, SIZE, MADE_UP = (512, 256), 224, 8
REPORT = {
    "findings": "The heart is of normal size. There is a small left pleural effusion. No pneumothorax is seen.",
    "impression": "Small left effusion. No acute disease otherwise.",
}
Form = Callable[[int], object]


@dataclass(frozen=True)
class Size:
    """How much is measured: studies of the store, samples of a block, turns, side of made-up pictures."""

    studies: int = 96
    samples: int = 96
    turns: int = 15
    made_up_side: int = 1024


TINY = Size(studies=2, samples=2, turns=1, made_up_side=128)


def pictures(side: int, real: Path) -> tuple[str, list[bytes]]:
    """Image files to prepare, and what they are."""
    found = [file.read_bytes() for file in sorted(real.glob("*.png"))] if real.is_dir() else []
    if found:
        return "real radiographs of 1,024 pixels", found
    return "made-up radiographs", [png(draw_single((0, n), image_size=side).picture) for n in range(MADE_UP)]


def write_store(folder: Path, files: list[bytes], *, side: int, studies: int) -> None:
    """A prepared folder of studies with a report and two different pictures each, of this short side."""
    stored = [for_store(data, short_side=side) for data in files]
    with ShardWriter(folder, "shards/images-00000.tar") as shard, ManifestWriter(folder / "manifest.parquet") as rows:
        for number in range(studies):
            name, images = f"study-{number}", []
            for position in range(2):
                one = stored[(2 * number + position) % len(stored)]
                place = shard.add(member_name(name, position, one.suffix), one.data)
                images.append(ImageFile(f"{name}/{position}.jpg", stored=place, height=one.height, width=one.width))
            rows.write(Study(name, name, "benchmark", Split.TRAIN, tuple(images), sections=REPORT))


def training_set(folder: Path, **changes: object) -> StudyDataset:
    settings = DataSettings(sources=(SourceSettings(manifest=folder),), image_size=SIZE, **changes)  # type: ignore[arg-type]
    return make_training_set(settings, open_sources(settings), seed=0)


def plain_view(data: bytes, rng: np.random.Generator) -> torch.Tensor:
    """One picture through the published code's steps, each on three channels."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    box = random_crop((image.height, image.width), (0.8, 1.1), rng)
    image = image.crop((box.left, box.top, box.left + box.width, box.top + box.height))
    image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        lab = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(rng.uniform(1, 4), (8, 8)).apply(np.ascontiguousarray(lab[..., 0]))
        image = Image.fromarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
    for enhance, spread in ((ImageEnhance.Brightness, 0.1), (ImageEnhance.Contrast, 0.2), (ImageEnhance.Color, 0.2)):
        image = enhance(image).enhance(rng.uniform(1 - spread, 1 + spread))
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(int(rng.uniform(-0.1, 0.1) * 255) % 256)
    image = Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
    return (pixels - torch.tensor(IMAGENET.mean)[:, None, None]) / torch.tensor(IMAGENET.std)[:, None, None]


def collate() -> Collate:
    tokeniser = train_tokeniser(REPORT.values(), vocabulary_size=200, lowercase=True)
    return Collate(partial(tokenise, tokeniser))


def batch_after_batch(data: StudyDataset, size: Size) -> Form:
    """A sample is one of `size.samples` of a batch, so that a block is a batch."""
    batch = collate()

    def sample(number: int) -> object:
        if number % size.samples:
            return None
        return batch([data[SampleKey(*divmod(each, len(data)))] for each in range(number, number + size.samples)])

    return sample


def first_batches(folder: Path, size: Size) -> dict[str, float]:
    """Seconds from nothing to the first batch of 64 studies (all of a smaller store), by the number of processes."""
    data, batch, found = training_set(folder), collate(), {}
    for processes in (0, 1, 2):
        seconds = []
        for turn in range(min(5, size.turns)):
            order = TrainingOrder(len(data), batch_size=min(64, len(data)), seed=turn, total_steps=8)
            start = time.perf_counter()
            made = batches(data, order, batch, processes=processes, pin=False)
            next(made)
            seconds.append(time.perf_counter() - start)
            made.close()
        found[str(processes)] = round(statistics.median(seconds), 3)
    return found


def ours(data: StudyDataset) -> Form:
    return lambda number: data[SampleKey(*divmod(number, len(data)))]


def plain(files: list[list[bytes]]) -> Form:
    def sample(number: int) -> object:
        rng = np.random.default_rng((0, number))
        return [plain_view(data, rng) for data in files[number % len(files)]]

    return sample


def bare(files: list[list[bytes]], flag: int) -> Form:
    arrays = [[np.frombuffer(data, dtype=np.uint8) for data in study] for study in files]
    return lambda number: [cv2.imdecode(data, flag) for data in arrays[number % len(arrays)]]


def stored_bytes(folder: Path) -> list[list[bytes]]:
    """The image files of a store, by study."""
    content = (folder / "shards/images-00000.tar").read_bytes()
    places = [[image.stored for image in study.images] for study in read_manifest(folder)]
    return [[content[place.offset :][: place.length] for place in study if place] for study in places]


def forms(folder: Path, size: Size) -> dict[str, Form]:
    large, small = (folder / str(side) for side in SIDES)
    in_large, in_small = stored_bytes(large), stored_bytes(small)
    return {
        "ours_512": ours(training_set(large)),
        "batches_512": batch_after_batch(training_set(large), size),
        "ours_512_exact": ours(training_set(large, training_pixels="exact")),
        "ours_256": ours(training_set(small)),
        "plain_512": plain(in_large),
        "bare_512": bare(in_large, cv2.IMREAD_GRAYSCALE),
        "bare_512_at_half_scale": bare(in_large, cv2.IMREAD_REDUCED_GRAYSCALE_2),
        "bare_256": bare(in_small, cv2.IMREAD_GRAYSCALE),
    }


def timed(form: Form, numbers: range) -> tuple[float, float]:
    """Seconds of the processor and on the clock for a sample, of a block of them."""
    clock, processor = time.perf_counter(), time.process_time()
    for number in numbers:
        form(number)
    return (time.process_time() - processor) / len(numbers), (time.perf_counter() - clock) / len(numbers)


def in_turns(measured: dict[str, Form], size: Size) -> dict[str, list[tuple[float, float]]]:
    """The blocks of every form, turn after turn, after a block that does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    for turn in range(size.turns + 1):
        for name, form in measured.items():
            block = timed(form, range(turn * size.samples, (turn + 1) * size.samples))
            if turn:
                found[name].append(block)
    return found


def reading(folder: Path, size: Size) -> dict[str, float]:
    """Microseconds to get the bytes of a picture: as the store does, and copied out of a memory map."""
    images = [image for study in read_manifest(folder) for image in study.images]
    store = ImageStore(folder)
    with (folder / "shards/images-00000.tar").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as m:
        mapped = memoryview(m)
        reads: dict[str, Form] = {
            "pread": lambda number: store._read(images[number % len(images)].stored),  # type: ignore[arg-type]
            "memory_map": lambda number: bytes(_slice(mapped, images[number % len(images)])),
        }
        found = in_turns(reads, size)
        mapped.release()
    return {name: round(1e6 * statistics.median(block[0] for block in blocks), 2) for name, blocks in found.items()}


def _slice(mapped: memoryview, image: ImageFile) -> memoryview:
    assert image.stored is not None
    return mapped[image.stored.offset :][: image.stored.length]


def ratios(found: dict[str, list[tuple[float, float]]]) -> Iterator[tuple[str, float]]:
    """How often ours is as fast as the plain form and as the bare decoder of the same files."""
    for name, other in (
        ("ours_512", "plain_512"),
        ("ours_512_exact", "plain_512"),
        ("ours_256", "plain_512"),
        ("ours_512", "bare_512"),
        ("ours_512_exact", "bare_512"),
        ("ours_256", "bare_256"),
    ):
        pairs = zip(found[name], found[other], strict=True)
        yield f"{name}/{other}", round(statistics.median(theirs[0] / mine[0] for mine, theirs in pairs), 3)


def measure(size: Size, real: Path) -> dict[str, object]:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    kind, files = pictures(size.made_up_side, real)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for side in SIDES:
            write_store(folder / str(side), files, side=side, studies=size.studies)
        found = in_turns(forms(folder, size), size)
        bytes_read = {side: [len(one) for study in stored_bytes(folder / str(side)) for one in study] for side in SIDES}
        seconds_reading = reading(folder / str(SIDES[0]), size)
        first = first_batches(folder / str(SIDES[0]), size)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "pictures": f"{len(files)} {kind}",
        "kilobytes_a_picture": {
            str(side): round(statistics.mean(sizes) / 1e3, 1) for side, sizes in bytes_read.items()
        },
        "samples_a_second": {
            name: {
                "processor": round(1 / statistics.median(block[0] for block in blocks), 1),
                "clock": round(1 / statistics.median(block[1] for block in blocks), 1),
            }
            for name, blocks in found.items()
        },
        "ratios": dict(ratios(found)),
        "microseconds_to_read_a_picture": seconds_reading,
        "seconds_to_the_first_batch_by_processes": first,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tiny", action="store_true", help="only whether it works: a few samples")
    options.add_argument("--real", type=Path, default=REAL, help="a folder of PNG radiographs")
    options.add_argument("--results", type=Path, default=RESULTS)
    asked = options.parse_args()
    told = measure(TINY if asked.tiny else Size(), asked.real)
    print(json.dumps(told, indent=2))
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
