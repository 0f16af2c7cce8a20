"""The benchmarks of the table as they are wired, from studies to named figures, against the published evaluator's."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.evaluate.benchmark_table import VINDR_CLASSES, by_name
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import ClassesTask, PromptSet, SetScore
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

pytestmark = pytest.mark.shared
READS = {"eval_inputs.npz": ("*",), "eval_results.json": ("*",)}
OPTIONS = EvaluationOptions(resamples=20, gallery=0)
CASES = (
    ("vindr_cxr", "zeroshot_binary_vindr", "vindr_image"),
    ("siim_pneumothorax", "zeroshot_binary_siim", "siim_image"),
    ("rsna_pneumonia", "zeroshot_binary_BioVIL_rsna", "rsna_image"),
)


class Recorded:
    """A model with recorded embeddings: a picture of one pixel is the number of its image; texts are looked up."""

    def __init__(self, images, text):
        self.images, self.text = normalize(torch.from_numpy(images), dim=1), text

    def embed_images(self, images):
        return self.images[[int(image[0, 0]) for image in images]]

    def embed_texts(self, texts):
        return torch.stack([self.text(text) for text in texts])


def stub_text(text):
    """The stand-in text encoder of the published numbers: a random direction seeded by the prompt."""
    values = np.random.RandomState(zlib.crc32(text.encode())).randn(32)
    return torch.tensor(values / np.linalg.norm(values), dtype=torch.float32)


def study(number, source, **said):
    image = ImageFile(str(number), View.PA)
    return Study(str(number), str(number), source, Split.TEST, (image,), **said)


def measured(benchmark, model, studies):
    material = Material(studies, lambda image: np.full((1, 1), int(image.path), dtype=np.uint8))
    return measure(model, [(benchmark, material)], OPTIONS)[0].metrics


@pytest.mark.parametrize(("source", "case", "images"), CASES)
def test_published_zero_shot(source, case, images, golden):
    recorded, result = golden.facts("eval_results.json")[case], golden.facts("eval_results.json")[case]["result"]
    known = {word: finding for finding, word in VINDR_CLASSES.items()}

    def findings(labels):
        here = labels if isinstance(labels, list) else [labels]
        return {known[name]: Certainty.POSITIVE if name in here else Certainty.NEGATIVE for name in recorded["classes"]}

    studies = [study(i, source, findings=findings(labels)) for i, labels in enumerate(recorded["labels"])]
    model = Recorded(golden.arrays("eval_inputs.npz")[images], stub_text)
    metrics = measured(by_name()[f"zero_shot/{source}/published"], model, studies)
    for ours, theirs in (("auroc", "AUROC"), ("accuracy", "Accuracy"), ("f1", "F1")):
        for name in recorded["classes"]:
            assert metrics[f"{ours}/{known[name]}"].value == pytest.approx(result[name][theirs], abs=1e-12)
        assert metrics[f"{ours}/macro"].value == pytest.approx(result[f"{theirs}(Avg)"], abs=1e-12)
        assert metrics[f"{ours}/macro"].n == len(recorded["classes"])


@pytest.mark.parametrize(("case", "key"), [("retrieval_duplicates", "retr"), ("retrieval_unique", "retr2")])
def test_published_retrieval(case, key, golden):
    recorded, arrays = golden.facts("eval_results.json")[case], golden.arrays("eval_inputs.npz")
    texts = normalize(torch.from_numpy(arrays[f"{key}_text"]), dim=1)
    # The longer section is the text; a shorter one beside it must not count.
    sections = [{"findings": text, "impression": text[:-1]} for text in recorded["texts"]]
    studies = [study(number, "openi", sections=said) for number, said in enumerate(sections)]
    model = Recorded(arrays[f"{key}_image"], lambda text: texts[recorded["texts"].index(text)])
    metrics = measured(by_name()["retrieval/openi/published"], model, studies)
    for k in (1, 5, 10):
        assert metrics[f"image_to_text/recall_at_{k}"].value == pytest.approx(recorded["result"][f"Recall@{k}"])
    assert metrics["image_to_text/mean_rank"].value == pytest.approx(recorded["result"]["MeanRank"])
    assert not any(name.startswith("text_to_image") for name in metrics)


def test_one_class_of_several(golden):
    recorded, arrays = golden.facts("eval_results.json")["zeroshot_gloria_mean_alone"], golden.arrays("eval_inputs.npz")
    names, result = recorded["classes"], recorded["result"]["mean/1000000"]
    # A mean cosine is that with one direction; the recorded ones follow from the recorded scores.
    images = arrays["gloria_image"].astype(float)
    directions = np.linalg.lstsq(images, arrays["gloria_mean_similarity"], rcond=None)[0]
    benchmark = by_name()["classes/chexpert_5x200"]
    assert isinstance(benchmark.task, ClassesTask)
    task = ClassesTask(tuple(PromptSet(name, (name,)) for name in names), SetScore.MEAN)
    said = [
        {name: Certainty.POSITIVE if name == label else Certainty.NEGATIVE for name in names}
        for label in recorded["labels"]
    ]
    studies = [study(number, "chexpert_5x200", findings=findings) for number, findings in enumerate(said)]
    model = Recorded(images, lambda text: torch.from_numpy(directions[:, names.index(text)]))
    metrics = measured(replace(benchmark, task=task), model, studies)
    for name in names:
        assert metrics[f"accuracy/{name}"].value == pytest.approx(result[name], abs=1e-12)
    assert metrics["accuracy/macro"].value == pytest.approx(result["Accuracy(Macro)"], abs=1e-12)
    assert metrics["accuracy/micro"].value == pytest.approx(result["Accuracy(Micro)"], abs=1e-12)
