"""Evaluation after the embedding: time and extra memory of zero-shot and retrieval for 10,000 studies.

python benchmarks/evaluate.py        # 10,000 studies, 512 dimensions, 18 findings, one text each

Random unit-length embeddings. Ours are the benchmarks as they are wired, from studies to named figures: 18 findings by
AUROC and average precision, retrieval both ways with ranks, chance and intervals from 1,000 resamples of patients, and
from one (which costs nothing). The plain form is what evaluations usually do: the whole matrix of cosines, sorted, both
ways, and scikit-learn's AUROC of the softmax of the pair, without intervals. Each case has a process of its own and is
repeated; the times are the least ones, as the machine does other things too. Extra memory is the peak less what the
process holds with the embeddings.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from cxr_clip.evaluate.benchmark_table import VINDR_CLASSES, by_name
from cxr_clip.evaluate.benchmarks import MEASURES
from cxr_clip.evaluate.study_images import StudyImages
from cxr_clip.evaluate.subject import EvaluationOptions, Material, Subject
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

RESULTS = Path(__file__).parent / "results" / "evaluate.json"
SIZES, DIM, REPEATS = (5_000, 10_000), 512, 5
BENCHMARKS = ("zero_shot/vindr_cxr", "retrieval/mimic_cxr")


class Recorded:
    """Texts of studies are rows of a matrix, prompts are random directions."""

    def __init__(self, texts: Tensor) -> None:
        self.texts = texts

    def embed_images(self, images: object) -> Tensor:
        """Not asked for: the subject knows the images' embeddings."""
        raise AssertionError(f"the images are embedded: {images}")

    def embed_texts(self, texts: list[str]) -> Tensor:
        """The rows of the numbers that the texts are, or random directions."""
        if texts[0].isdecimal():
            return self.texts[[int(text) for text in texts]]
        seed = torch.Generator().manual_seed(len(texts[0]))
        return normalize(torch.randn(len(texts), DIM, generator=seed), dim=1)


def no_image(image: ImageFile) -> NDArray[np.uint8]:
    raise AssertionError(f"no gallery is drawn: {image}")


def world(count: int) -> tuple[list[Study], Tensor, Tensor]:
    """Studies of two a patient, each with a text of its own and every finding in a tenth of them."""
    rng = np.random.default_rng(0)
    has = rng.random((count, len(VINDR_CLASSES))) < 0.1
    kinds = np.where(has, Certainty.POSITIVE, Certainty.NEGATIVE)
    studies = [
        Study(
            id=f"s{number}",
            patient=f"p{number // 2}",
            source="made-up",
            split=Split.TEST,
            images=(ImageFile(str(number), View.PA),),
            sections={"findings": str(number)},
            findings={name: Certainty(kind) for name, kind in zip(VINDR_CLASSES, kinds[number], strict=True)},
        )
        for number in range(count)
    ]
    torch.manual_seed(0)
    return studies, *(normalize(torch.randn(count, DIM), dim=1) for _ in range(2))


def ours(count: int, resamples: int) -> Callable[[], object]:
    studies, images, texts = world(count)

    def run() -> object:
        options = EvaluationOptions(resamples=resamples, gallery=0, batch=1024)
        material = Material(studies, no_image)
        subject = Subject(Recorded(texts), material, options, known=StudyImages(images, images, images, (1,) * count))
        table = by_name()
        return [MEASURES[type(table[name].task)](table[name], subject).metrics for name in BENCHMARKS]

    return run


def plain(count: int) -> Callable[[], object]:
    from sklearn.metrics import roc_auc_score

    studies, images, texts = world(count)
    labels = np.array([[one is Certainty.POSITIVE for one in study.findings.values()] for study in studies])
    model, prompts = Recorded(texts), by_name()[BENCHMARKS[0]].task.prompts

    def run() -> object:
        areas = []
        for number, prompt in enumerate(prompts):
            pair = torch.cat([model.embed_texts([*prompt.negative]), model.embed_texts([*prompt.positive])])
            areas.append(roc_auc_score(labels[:, number], (images @ pair.T).softmax(dim=1)[:, 1].numpy()))
        cosines = images.numpy() @ texts.numpy().T
        right = np.arange(count)
        ranks = [np.argmax(np.argsort(-one, axis=1) == right[:, None], axis=1) + 1 for one in (cosines, cosines.T)]
        return areas, [[float(np.mean(one <= k)) for k in (1, 5, 10)] + [float(one.mean())] for one in ranks]

    return run


CASES = {
    "plain, without intervals": plain,
    "ours, without intervals": lambda count: ours(count, 1),
    "ours, 1,000 resamples": lambda count: ours(count, 1000),
}


def one_case(name: str, count: int) -> None:
    """In a process of its own: the least seconds on the clock and of the processors, and extra bytes."""
    CASES[name](200)()  # the libraries' own memory
    run = CASES[name](count)
    before, seconds, processor = peak(), [], []
    for _ in range(REPEATS):
        start, work = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - work)
    extra = peak() - before
    print(json.dumps({"seconds": min(seconds), "processor_seconds": min(processor), "extra_bytes": extra}))


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    cases = []
    for count in SIZES:
        for name in CASES:
            command = [sys.executable, __file__, "--case", name, str(count)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            cases.append({"studies": count, "case": name, **json.loads(done.stdout)})
            print(cases[-1])
    load = os.getloadavg()[0]
    results = {"cores": os.cpu_count(), "machine": platform.machine(), "load": load, "dimensions": DIM, "cases": cases}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        one_case(sys.argv[2], int(sys.argv[3]))
    else:
        main()
