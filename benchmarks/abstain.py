"""How often a run abstains: on chest X-rays of its test patients, and on pictures that are none.

    python benchmarks/abstain.py RUN "NAME=MANIFEST MANIFEST" ... [--dicom FOLDER] [--results FILE]

For each group of manifests a reference is made (training images say what is usual, 1 % of validation images lie beyond
the limit), and `classify` is asked about test images, about made-up pictures of other things, about test images that
were changed, and about the DICOM files of FOLDER whose names say hip or extremity. The share that only the reference
refuses is told apart, and what embeddings in place of features would refuse.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from measured_with import model_facts

import cxr_clip
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.pictures import ImageInput, as_picture
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.make_reference import make_reference
from cxr_clip.reference import REFERENCE, Reference, fit_reference
from cxr_clip.study import Split

RESULTS = Path(__file__).parent / "results" / "abstain.json"
SIDE, MADE, CHANGED, TEST_STUDIES = 256, 100, 200, 400
Picture = np.ndarray
Results = dict[str, object]


def stretched(values: Picture) -> Picture:
    low, high = np.percentile(values, (1, 99))
    return (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def noise(rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)


def blobs(rng: np.random.Generator) -> Picture:
    coarse = rng.integers(0, 256, (8, 8)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def gradient(rng: np.random.Generator) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return stretched(columns * np.cos(angle) + rows * np.sin(angle))


def like_photographs(rng: np.random.Generator) -> Picture:
    """Random phases with the falling spectrum of natural scenes."""
    along = np.fft.fftfreq(SIDE)
    frequency = np.hypot(along[:, None], along[None])
    frequency[0, 0] = 1
    spectrum = rng.normal(size=(2, SIDE, SIDE)) / frequency ** rng.uniform(1, 1.6)
    return stretched(np.fft.ifft2(spectrum[0] + 1j * spectrum[1]).real)


def stripes(rng: np.random.Generator) -> Picture:
    angle, width = rng.uniform(0, np.pi), rng.uniform(4, 40)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    wave = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / width)
    return np.where(wave > 0, 230, 25).astype(np.uint8)


def page(rng: np.random.Generator) -> Picture:
    picture = np.full((SIDE * 4 // 3, SIDE), 255, np.uint8)
    for line in range(20, len(picture) - 10, int(rng.integers(10, 18))):
        words = "".join(rng.choice(list("abcdefghij klmnop"), 40))
        cv2.putText(picture, words, (10, line), cv2.FONT_HERSHEY_SIMPLEX, 0.35, int(rng.integers(0, 80)), 1)
    return picture


def shapes(rng: np.random.Generator) -> Picture:
    picture = np.full((SIDE, SIDE), int(rng.integers(0, 255)), np.uint8)
    for _ in range(int(rng.integers(4, 20))):
        centre, axes = rng.integers(0, SIDE, 2).tolist(), rng.integers(5, 80, 2).tolist()
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, int(rng.integers(0, 256)), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2))


MADE_UP: dict[str, Callable[[np.random.Generator], Picture]] = {
    "noise": noise,
    "soft blobs": blobs,
    "gradient": gradient,
    "spectrum of photographs": like_photographs,
    "stripes": stripes,
    "page of text": page,
    "ellipses": shapes,
}
CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "inverted": lambda picture: 255 - picture,
    "a quarter turn": lambda picture: np.ascontiguousarray(np.rot90(picture)),
    "upside down": lambda picture: np.ascontiguousarray(picture[::-1, ::-1]),
    "upper left quarter alone": lambda picture: picture[: picture.shape[0] // 2, : picture.shape[1] // 2],
    "a quarter of the brightness": lambda picture: picture // 4,
    "blurred (sigma 12)": lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), 12)),
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
}


def test_pictures(manifests: Sequence[Path]) -> list[Picture]:
    """The images of evenly spaced test studies."""
    pictures = []
    for manifest in map(read_manifest, manifests):
        studies, store = manifest.where(split=Split.TEST), ImageStore(manifest.root)
        for row in np.unique(np.linspace(0, len(studies) - 1, TEST_STUDIES // len(manifests)).astype(int)):
            pictures += [store.read(image) for image in studies[int(row)].images]
    return pictures


def embedding_reference(model: Embedder, manifests: Sequence[Path], reference: Reference) -> Reference:
    """What `reference` would be with embeddings in place of features, from the same kinds of images."""
    embeddings = {}
    for split in (Split.TRAIN, Split.VALIDATE):
        pictures = []
        for manifest in map(read_manifest, manifests):
            studies, store = manifest.where(split=split), ImageStore(manifest.root)
            step = max(1, len(studies) * len(manifests) // 1000)
            pictures += [store.read(image) for study in studies[::step] for image in study.images]
        embeddings[split] = model.embed_images(pictures)
    return fit_reference(embeddings[Split.TRAIN], embeddings[Split.VALIDATE], weights=reference.weights)


def asked(model: Embedder, pictures: Sequence[ImageInput], by_embedding: Reference) -> dict[str, float]:
    """The shares of pictures that are refused: in all, by what is seen in pixels, and by embeddings alone."""
    answers = model.classify(pictures, ["Edema"])
    by_pixels = [any("unlike the images" not in why for why in answer.abstained) for answer in answers]
    greys = [as_picture(picture, name="it") for picture in pictures]
    return {
        "pictures": len(pictures),
        "refused": round(float(np.mean([bool(answer.abstained) for answer in answers])), 4),
        "refused_by_pixels": round(float(np.mean(by_pixels)), 4),
        "by_embeddings_alone": round(float(np.mean([*map(bool, by_embedding.doubts(model.embed_images(greys)))])), 4),
    }


def measure(run: Path, manifests: Sequence[Path], dicom: Path | None) -> Results:
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(run, Path(place) / "run", ignore=shutil.ignore_patterns(REFERENCE))
        reference = make_reference(cxr_clip.load(folder), folder, manifests)
        model = cxr_clip.load(folder)
        rng, test = np.random.default_rng(0), test_pictures(manifests)
        other = embedding_reference(model, manifests, reference)
        some = [test[int(row)] for row in np.unique(np.linspace(0, len(test) - 1, CHANGED).astype(int))]
        groups: dict[str, dict[str, Sequence[ImageInput]]] = {
            "chest": {"test images": test},
            "no_chest": {name: [make(rng) for _ in range(MADE)] for name, make in MADE_UP.items()},
            "changed": {name: [change(one) for one in some] for name, change in CHANGES.items()},
        }
        for part in ("hip", "extremity") if dicom else ():
            groups["no_chest"][f"{part} (DICOM)"] = sorted(dicom.glob(f"*{part}*"))
        return {
            "fitted": reference.fitted,
            "checked": reference.checked,
            **{
                group: {name: asked(model, pictures, other) for name, pictures in kinds.items()}
                for group, kinds in groups.items()
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("groups", nargs="+", metavar="NAME=MANIFESTS")
    parser.add_argument("--dicom", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    named = (group.split("=", 1) for group in arguments.groups)
    groups = {name: measure(arguments.run, [*map(Path, rest.split())], arguments.dicom) for name, rest in named}
    content = {"model": model_facts(cxr_clip.load(arguments.run)), "groups": groups}
    arguments.results.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
