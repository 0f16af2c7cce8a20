"""How long an embedding takes on a CPU: torch, ONNX Runtime and OpenVINO, in single precision, bfloat16 and 8 bits.

python benchmarks/inference.py            # ResNet-50 and Swin-Tiny at 224 px, BERT-base; about five minutes
python benchmarks/inference.py --tiny     # only whether it works

One process, a number of threads that is the same for all (--threads). The weights are random: they do not change the
time. Of each tower every form embeds the same one and the same sixteen inputs, in turns; times are
medians, those of the processor, so that other work on the machine counts little, and those on the clock. With one
thread both are the same on a quiet machine. A ratio is the median of the ratios to eager torch of the same turn, in
times of the processor. Texts have the lengths of findings of
Open-I. Eager torch is what `cxr-clip embed` computes; the exported files are those of `cxr-clip export`, the 8-bit ones
calibrated on made-up pictures. The largest difference of an embedding from eager torch's is told beside; 8-bit ones of
random weights say nothing of a trained model (benchmarks/int8.py does). Writes benchmarks/results/inference.json.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cxr_clip.export.certificate import made_up_pictures
from cxr_clip.export.int8 import quantise_image_tower, quantise_text_tower
from cxr_clip.export.onnx_file import OnnxTower, write_tower
from cxr_clip.export.openvino_file import OpenVinoTower, computes_bf16, convert, new_core
from cxr_clip.export.towers import ImageTower, TextTower, example_tokens, portable
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.tensors import Tokens

RESULTS = Path(__file__).parent / "results" / "inference.json"
BATCHES = (1, 16)
# Tokens of the findings sections of benchmarks/step.py, each twice.
LENGTHS = (26, 26, 42, 42, 47, 47, 50, 50, 55, 55, 67, 67, 69, 69, 88, 88)
EAGER = "torch, eager"
BERT = {"model_type": "bert", "vocab_size": 28_996}
TINY_BERT = BERT | {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY_RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
Inputs = tuple[Tensor, ...]
Form = Callable[..., Tensor]


@dataclass(frozen=True)
class Size:
    """What is measured: image towers by name, the text tower, pixels, and turns."""

    images: Mapping[str, str | Mapping[str, object]]
    text: Mapping[str, object]
    pixels: int
    turns: int


FULL = Size({"ResNet-50": "resnet50", "Swin-Tiny": "swin-tiny"}, BERT, pixels=224, turns=7)
TINY = Size({"tiny ResNet": TINY_RESNET}, TINY_BERT | {"intermediate_size": 24}, pixels=32, turns=1)


def squares(pixels: int) -> np.ndarray:
    """As many made-up pictures as the largest batch has."""
    made = [picture[:pixels, :pixels] for picture in made_up_pictures(pixels) if min(picture.shape) >= pixels]
    return np.stack([made[number % len(made)] for number in range(max(BATCHES))])


def tokens(vocabulary: int) -> Tokens:
    lengths = torch.tensor(LENGTHS)
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    ids = torch.randint(5, vocabulary, mask.shape, generator=torch.Generator().manual_seed(0))
    return Tokens(ids=ids * mask, mask=mask)


def first(count: int, inputs: Inputs) -> Inputs:
    """The first inputs, texts without padding that none of them needs; a single text is one of middle length."""
    rows = slice(7, 8) if count == 1 else slice(count)
    some = tuple(one[rows] for one in inputs)
    return some if len(some) == 1 else tuple(one[:, : int(some[1].sum(dim=1).max())] for one in some)


def image_files(name: str, model: DualEncoder, folder: Path, pixels: int) -> tuple[Path, Path]:
    """The ONNX file of an image tower, and that in 8 bits."""
    whole, narrow = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
    example = torch.zeros(2, 1, pixels, pixels, dtype=torch.uint8)
    write_tower(ImageTower(portable(model)), whole, examples=[example], inputs=["pixels"], axes=["batch"])
    quantise_image_tower(whole, narrow, list(squares(pixels)[:8]))
    return whole, narrow


def text_files(model: DualEncoder, folder: Path) -> tuple[Path, Path]:
    """The ONNX file of a text tower, and that in 8 bits."""
    whole, narrow, plain = folder / "text.onnx", folder / "text-int8.onnx", portable(model)
    names = ["input_ids", "attention_mask"]
    write_tower(TextTower(plain), whole, examples=example_tokens(plain), inputs=names, axes=["batch", "length"])
    quantise_text_tower(whole, narrow)
    return whole, narrow


def forms(eager: Form, whole: Path, narrow: Path, threads: int) -> dict[str, Form]:
    """Every way to compute a tower, by name."""
    for file in (whole, narrow):
        convert(file, file.with_suffix(".xml"))

    def in_bf16(*inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return eager(*inputs)

    core = new_core()
    openvino = {
        "OpenVINO, fp32": OpenVinoTower(core, whole.with_suffix(".xml"), threads=threads),
        "OpenVINO, int8": OpenVinoTower(core, narrow.with_suffix(".xml"), threads=threads),
    }
    if computes_bf16():
        openvino["OpenVINO, bf16"] = OpenVinoTower(core, whole.with_suffix(".xml"), hint="bf16", threads=threads)
    return {
        EAGER: eager,
        "torch, bf16": in_bf16,
        "ONNX Runtime, fp32": OnnxTower(whole, threads=threads),
        "ONNX Runtime, int8": OnnxTower(narrow, threads=threads),
        **openvino,
    }


@torch.inference_mode()
def measure(ways: Mapping[str, Form], inputs: Inputs, turns: int) -> list[dict[str, object]]:
    """Times of each form in turns, after one that does not count."""
    expected = ways[EAGER](*inputs)
    apart = {name: float((form(*inputs).float() - expected).abs().max()) for name, form in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    clock: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, form in ways.items():
            start, begun = time.process_time(), time.perf_counter()
            form(*inputs)
            seconds[name].append(time.process_time() - start)
            clock[name].append(time.perf_counter() - begun)
    return [
        {
            "form": name,
            "processor_milliseconds": round(1000 * statistics.median(spent), 2),
            "clock_milliseconds": round(1000 * statistics.median(clock[name]), 2),
            "times_faster": round(
                statistics.median(eager / own for eager, own in zip(seconds[EAGER], spent, strict=True)), 2
            ),
            "largest_difference": apart[name],
        }
        for name, spent in seconds.items()
    ]


def tower_cases(
    name: str, eager: Form, files: tuple[Path, Path], inputs: Inputs, asked: argparse.Namespace
) -> list[dict[str, object]]:
    ways = forms(eager, *files, asked.threads)
    size = TINY if asked.tiny else FULL
    return [
        {"tower": name, "batch": batch, "forms": measure(ways, first(batch, inputs), size.turns)} for batch in BATCHES
    ]


def cases(asked: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    size = TINY if asked.tiny else FULL
    found: list[dict[str, object]] = []
    pictures = torch.from_numpy(squares(size.pixels))[:, None]
    for name, architecture in size.images.items():
        model = model_of(architecture, size.text)
        files = image_files(name, model, folder, size.pixels)
        found += tower_cases(name, model.embed_images, files, (pictures,), asked)
    texts = tokens(int(size.text["vocab_size"]))

    def embed_texts(ids: Tensor, mask: Tensor) -> Tensor:
        return model.embed_texts(Tokens(ids, mask))

    found += tower_cases("BERT", embed_texts, text_files(model, folder), (texts.ids, texts.mask), asked)
    return found


def model_of(image: str | Mapping[str, object], text: Mapping[str, object]) -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder(
        image_encoder_from_architecture(image, pooling="mean"), text_encoder_from_architecture(text, pooling="eos")
    ).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="only whether it works: small models, one turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        found = cases(asked, Path(place))
    packages: Sequence[str] = ("torch", "onnxruntime", "openvino")
    told = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores at a load of {os.getloadavg()[0]:.0f}",
        "threads": asked.threads,
        "versions": {name: version(name) for name in packages},
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "cases": found,
    }
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
