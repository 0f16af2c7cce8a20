"""How well the overlap audit finds what was planted, and how fast it is at the scale of MIMIC-CXR.

    python benchmarks/overlap.py [--openi PREPARED] [--encoder FOLDER] [--only planted|speed]

Planted: the studies of one prepared folder are dealt to a training and an evaluation, and evaluated studies are given
the name of a training patient, a training image (as it is, compressed, scaled, cropped, brighter, ...), or a training
report. Recall and precision of the hash, and of the embeddings of an image encoder that was never trained on
radiographs (a folder that transformers reads) with a random projection. Speed: random hashes and embeddings. Writes
results/overlap.json: counts only. What is not run again stays.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measured_with import machine
from numpy.typing import NDArray

from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.data.store import ImageStore, ShardWriter, member_name
from cxr_clip.embed import load
from cxr_clip.overlap.audit import Audit, Kind, name_matches
from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
from cxr_clip.overlap.near_embeddings import near_by_embedding
from cxr_clip.overlap.near_hashes import NEAR_BITS, compare_hashes
from cxr_clip.overlap.nearest import Nearest
from cxr_clip.study import ImageFile, Split, Study

RESULTS = Path(__file__).parent / "results" / "overlap.json"
ENCODER = Path(__file__).parents[2] / "shared" / "weights" / "mobilenet_v2_0.35_224"
Picture = NDArray[np.uint8]
Record = dict[str, Any]


def compressed(picture: Picture, quality: int) -> Picture:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0), np.uint8)


def scaled(picture: Picture, factor: float) -> Picture:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=way), np.uint8)


def cropped(picture: Picture, share: float) -> Picture:
    """Without that share of the height and width at each edge."""
    height, width = (round(side * share) for side in picture.shape)
    return picture[height : picture.shape[0] - height, width : picture.shape[1] - width]


def toned(picture: Picture, *, times: float = 1.0, plus: float = 0.0) -> Picture:
    return np.clip(times * picture.astype(np.float64) + plus, 0, 255).round().astype(np.uint8)


COPIES: Mapping[str, Callable[[Picture], Picture]] = {
    "compressed, JPEG quality 50": lambda picture: compressed(picture, 50),
    "compressed, JPEG quality 20": lambda picture: compressed(picture, 20),
    "half the size": lambda picture: scaled(picture, 0.5),
    "1.5 times the size": lambda picture: scaled(picture, 1.5),
    "25 grey levels brighter": lambda picture: toned(picture, plus=25),
    "1.2 times as bright": lambda picture: toned(picture, times=1.2),
    "contrast 0.7": lambda picture: toned(picture, times=0.7, plus=38),
    "1 % cropped at each edge": lambda picture: cropped(picture, 0.01),
    "2.5 % cropped at each edge": lambda picture: cropped(picture, 0.025),
    "5 % cropped at each edge": lambda picture: cropped(picture, 0.05),
}
EXACT, PIXELS = "the same file", "the same pixels in a PNG file"
PATIENT, REPORT = "another study of the patient", "the same long report"
PLANTS = (EXACT, PIXELS, *COPIES, PATIENT, REPORT)


@dataclass(frozen=True)
class Planted:
    """Two manifest folders, and which evaluated study was given what of which training study."""

    training: Path
    evaluation: Path
    truth: Mapping[str, tuple[str, str]]


def plant(base: Path, folder: Path, *, of_each: int, studies: int, seed: int = 0) -> Planted:
    """Deal so many studies of a prepared folder: half of the patients train, some of the others are given plants."""
    manifest = read_manifest(base)
    rng = np.random.default_rng(seed)
    patients = sorted(set(manifest.table["patient"].to_pylist()))
    trained = set(rng.permutation(patients)[: len(patients) // 2].tolist())
    numbers = rng.permutation(len(manifest))[:studies]
    names = manifest.table["patient"].to_pylist()
    training = [manifest[int(number)] for number in numbers if names[number] in trained]
    evaluation = [manifest[int(number)] for number in numbers if names[number] not in trained]
    needed = of_each * len(PLANTS)
    assert needed <= min(len(training), len(evaluation)), f"{base} has too few studies for {needed} planted ones"
    store, truth = ImageStore(manifest.root), {}
    with _Writer(folder / "training", Split.TRAIN, store) as writer:
        for study in training:
            writer.write(study)
    with _Writer(folder / "evaluation", Split.TEST, store) as writer:
        long = iter([study for study in training[needed:] + training if _words(study) >= 20])
        for number, study in enumerate(evaluation):
            if number >= needed:
                writer.write(study)
                continue
            what = PLANTS[number // of_each]
            origin = next(long) if what == REPORT else training[number]
            truth[study.id] = (what, origin.id)
            _write_planted(writer, study, origin, what)
    return Planted(folder / "training", folder / "evaluation", truth)


def _words(study: Study) -> int:
    from cxr_clip.overlap.reports import report_of

    return len(report_of(study.sections).split())


class _Writer:
    """Writes studies with their first image into a manifest folder, all in one split."""

    def __init__(self, folder: Path, split: Split, store: ImageStore) -> None:
        self._split, self._store = split, store
        self._shard = ShardWriter(folder, "shards/images-00000.tar")
        self._manifest = ManifestWriter(folder / "manifest.parquet")

    def __enter__(self) -> "_Writer":
        self._shard.__enter__()
        self._manifest.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._manifest.__exit__(*error)
        self._shard.__exit__(*error)

    def write(
        self, study: Study, *, image: ImageFile | None = None, picture: Picture | None = None, lossless: bool = False
    ) -> None:
        """Write a study, with an image or a picture (as JPEG, or as PNG) in place of its own."""
        own = image or study.images[0]
        if picture is None:
            assert own.stored is not None
            with (self._store.root / own.stored.shard).open("rb") as file:
                data = os.pread(file.fileno(), own.stored.length, own.stored.offset)
            height, width = own.height, own.width
        else:
            name, options = (
                (".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]) if lossless else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
            )
            data = cv2.imencode(name, picture, options)[1].tobytes()
            height, width = picture.shape
        stored = self._shard.add(member_name(study.id, 0, "jpg"), data)
        file_of_study = replace(own, stored=stored, height=height, width=width)
        self._manifest.write(replace(study, split=self._split, images=(file_of_study,), boxes=(), masks=()))


def _write_planted(writer: _Writer, study: Study, origin: Study, what: str) -> None:
    if what == PATIENT:
        writer.write(replace(study, patient=origin.patient))
    elif what == REPORT:
        writer.write(replace(study, sections=origin.sections))
    elif what == EXACT:
        writer.write(study, image=origin.images[0])
    elif what == PIXELS:
        writer.write(study, picture=writer._store.read(origin.images[0]), lossless=True)
    else:
        writer.write(study, picture=COPIES[what](writer._store.read(origin.images[0])))


def figures(found: Audit, planted: Planted, embedded: Audit | None) -> Record:
    """By what was planted: how many, how many are found; by kind: how many hits are right."""
    named = {kind: {match.evaluation_study: match for match in name_matches(found, kind)} for kind in found.hits}
    hashed = named[Kind.EQUAL_IMAGE] | named[Kind.SAME_PIXELS] | named[Kind.NEAR_IMAGE]
    ways = {"hash": hashed, "patient": named[Kind.PATIENT], "report": named[Kind.EQUAL_REPORT]}
    if embedded is not None:
        ways["embedding"] = {match.evaluation_study: match for match in name_matches(embedded, Kind.NEAR_EMBEDDING)}
        ways["hash or embedding"] = ways["embedding"] | hashed
    kinds = named if embedded is None else {**named, Kind.NEAR_EMBEDDING: ways["embedding"]}
    return {
        "training studies": found.training.studies,
        "evaluated studies": found.evaluation.studies,
        "planted": {what: _recall(what, planted, ways) for what in PLANTS},
        "kinds": {kind.value: _precision(kind, matches, planted) for kind, matches in kinds.items()},
        "thresholds": list((embedded or found).thresholds),
    }


def _recall(what: str, planted: Planted, ways: Mapping[str, Mapping[str, Any]]) -> Record:
    studies = {study: origin for study, (kind, origin) in planted.truth.items() if kind == what}
    found = {
        way: sum(study in matches and matches[study].training_study == origin for study, origin in studies.items())
        for way, matches in ways.items()
    }
    return {"planted": len(studies), "found by": found}


def _precision(kind: Kind, matches: Mapping[str, Any], planted: Planted) -> Record:
    """A hit is right if the study was planted with that kind of thing, from that training study."""
    right = {
        study
        for study, match in matches.items()
        if study in planted.truth and planted.truth[study][1] == match.training_study
        if _kind_of(planted.truth[study][0], kind)
    }
    return {"hits": len(matches), "right": len(right)}


def _kind_of(what: str, kind: Kind) -> bool:
    if kind.is_image:
        return what in (EXACT, PIXELS, *COPIES) if kind is not Kind.SAME_PIXELS else what == PIXELS
    return what == {Kind.PATIENT: PATIENT, Kind.EQUAL_REPORT: REPORT}.get(kind)


def audit_planted(planted: Planted, run: Path | None) -> tuple[Audit, Audit | None]:
    """By hash, and with a run all hits by its embeddings, those of equal and near hashes among them."""
    request = OverlapRequest(training=(planted.training,), evaluation=planted.evaluation, threads=2)
    found = audit_manifests(request)
    if run is None:
        return found, None
    near = near_by_embedding(load(run, device="cpu"), found.training, found.evaluation)
    words = (*found.thresholds, str(near))
    return found, replace(found, hits={Kind.NEAR_EMBEDDING: near.hits}, thresholds=words)


def untrained_run(encoder: Path, manifest: Path, folder: Path) -> Path:
    """A run folder of a pretrained image encoder, a random projection and a small random text tower."""
    import torch

    from cxr_clip.assemble import make_model, open_sources
    from cxr_clip.checkpoint import WEIGHTS, Run, write_run
    from cxr_clip.recipe import Recipe
    from cxr_clip.tensor_files import save_weights

    torch.manual_seed(0)
    text = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    recipe = Recipe.model_validate(
        {
            "name": "untrained",
            "data": {"sources": [{"manifest": str(manifest)}], "image_size": 224},
            "model": {
                "image": {"pretrained": str(encoder)},
                "text": {"architecture": {**text, "intermediate_size": 32}, "tokeniser": {"vocabulary_size": 300}},
                "embedding_size": 512,
            },
        }
    )
    model, tokeniser = make_model(recipe, open_sources(recipe.data))
    write_run(folder, Run(model=model, tokeniser=tokeniser, recipe=recipe))
    save_weights(folder / WEIGHTS, model)
    return folder


def made_up(folder: Path, *, studies: int, image_size: int) -> Path:
    """A prepared folder of the made-up world."""
    from cxr_clip.prepare.openi import prepare_openi
    from cxr_clip.prepare.records import PrepareOptions
    from cxr_clip.synthetic.write_openi import synthesize_openi

    synthesize_openi(folder / "raw", studies=studies, seed=3, image_size=image_size)
    prepare_openi(folder / "raw", folder / "prepared", PrepareOptions(short_side=image_size, processes=2))
    return folder / "prepared"


def planted_figures(base: Path, work: Path, encoder: Path, *, of_each: int, studies: int) -> Record:
    planted = plant(base, work / "planted", of_each=of_each, studies=studies)
    run = untrained_run(encoder, planted.training, work / "run") if encoder.is_dir() else None
    found, embedded = audit_planted(planted, run)
    return figures(found, planted, embedded)


SCALES = ((3_000, 37_000), (3_000, 370_000))
DIM = 512


def one_speed(way: str, evaluated: int, trained: int) -> None:
    """In a process of its own: seconds, and the peak of memory beyond what is compared."""
    rng = np.random.default_rng(0)
    run = _hash_case(rng, evaluated, trained) if way == "hash" else _embedding_case(rng, evaluated, trained)
    before, start, work = _peak(), time.perf_counter(), time.process_time()
    run()
    seconds, processor = time.perf_counter() - start, time.process_time() - work
    told = {"seconds": round(seconds, 1), "processor": round(processor, 1)}
    print(json.dumps({**told, "extra_mb": round((_peak() - before) / 1e6)}))


def _hash_case(rng: np.random.Generator, evaluated: int, trained: int) -> Callable[[], object]:
    ours, theirs = (rng.integers(256, size=(count, 32)).astype(np.uint8) for count in (evaluated, trained))
    nearest = Nearest(evaluated, limit=NEAR_BITS)
    return lambda: compare_hashes(nearest, ours, theirs, np.arange(trained))


def _embedding_case(rng: np.random.Generator, evaluated: int, trained: int) -> Callable[[], object]:
    """Comparing alone: the same batch of 64 training embeddings again and again."""
    ours, batch = (rng.normal(size=(count, DIM)).astype(np.float32) for count in (evaluated, 64))
    nearest = Nearest(evaluated, limit=0.0)

    def run() -> None:
        for first in range(0, trained, 64):
            nearest.show(1 - batch @ ours.T, np.arange(first, first + 64))

    return run


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def speeds(scales: Sequence[tuple[int, int]]) -> Iterator[Record]:
    for evaluated, trained in scales:
        for way in ("hash", "embedding"):
            command = [sys.executable, __file__, "--case", way, str(evaluated), str(trained)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            yield {"way": way, "evaluated": evaluated, "trained": trained, **json.loads(told)}


def keep(section: str, told: object) -> None:
    """Put one section into the results beside those that are there."""
    results: Record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results |= {section: told, "machine": machine()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    partial = RESULTS.with_name(f"{RESULTS.name}.partial")
    partial.write_text(json.dumps(results, indent=1) + "\n")
    partial.replace(RESULTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openi", type=Path, help="a prepared folder of Open-I")
    parser.add_argument("--encoder", type=Path, default=ENCODER)
    parser.add_argument("--studies", type=int, default=850, help="dealt to both sides")
    parser.add_argument("--of-each", type=int, default=30)
    parser.add_argument("--only", choices=("planted", "speed"))
    parser.add_argument("--case", nargs=3, metavar=("WAY", "EVALUATED", "TRAINED"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        one_speed(asked.case[0], int(asked.case[1]), int(asked.case[2]))
        return
    if asked.only != "planted":
        keep("speed", list(speeds(SCALES)))
    if asked.only != "speed":
        with tempfile.TemporaryDirectory() as temporary:
            work, sizes = Path(temporary), {"of_each": asked.of_each, "studies": asked.studies}
            bases = {"Open-I": asked.openi} if asked.openi else {}
            bases["made up"] = made_up(work / "made-up", studies=asked.studies, image_size=256)
            keep(
                "planted",
                {name: planted_figures(base, work / name, asked.encoder, **sizes) for name, base in bases.items()},
            )


if __name__ == "__main__":
    main()
