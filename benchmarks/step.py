"""A training step on one CPU thread: ours against the plain form of the same computation, in turns.

python benchmarks/step.py            # ResNet-50 and Swin-Tiny with BERT-base, fp32 and bf16; under ten minutes
python benchmarks/step.py --tiny     # only whether it works

Both forms have the same random weights and take the same batch: two pictures of 224 px and two texts of each study, as
long as the findings and impressions of Open-I. The plain form takes pictures of three equal channels, pads texts to 256
tokens, calls an encoder for each image and each text, compares all pairs of views in both directions and steps with
AdamW one weight after the other; ours keeps the memory that it frees, as `cxr-clip train` does. The first step of each
form runs in evaluation mode, where losses and norms of the gradient must agree within 1e-4 of themselves (5 % in bf16);
the others train, with BERT's own dropout. Seconds are those of the processor, so that other work on the machine counts
little; those on the clock are told too. Writes benchmarks/results/step.json.
"""

import argparse
import ctypes
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from cxr_clip.heap import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import trainable_groups
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.prepare.openi_report import read_openi_report
from cxr_clip.tensors import Batch, EmbeddedViews, Tokens, joined
from cxr_clip.train.optim import adamw

RESULTS = Path(__file__).parent / "results" / "step.json"
# Tokens of the findings and of the impression of eight reports of Open-I: the middles of eighths of all 2,879 that have
# both, by the number of tokens (WordPiece of BERT's cased vocabulary, small letters; see `lengths_of_reports`).
LENGTHS = ((26, 5), (42, 5), (47, 9), (50, 13), (55, 16), (67, 13), (69, 26), (88, 40))
PADDED = 256
PARTS = ("images", "texts", "loss", "optimizer")
RATE = 5e-5
BERT = {"model_type": "bert", "vocab_size": 28_996}
TINY_BERT = BERT | {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY_RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}


@dataclass(frozen=True)
class Size:
    """What is measured: image towers by name, the text tower, pixels, and rounds that count."""

    images: Mapping[str, str | Mapping[str, object]]
    text: Mapping[str, object]
    pixels: int
    rounds: int


FULL = Size({"ResNet-50": "resnet50", "Swin-Tiny": "swin-tiny"}, BERT, pixels=224, rounds=3)
TINY = Size({"tiny": TINY_RESNET}, TINY_BERT | {"intermediate_size": 24}, pixels=32, rounds=1)


class Ours:
    """The model and the optimiser of a training."""

    def __init__(self, model: DualEncoder) -> None:
        self.model = model
        self.optimizer = adamw(trainable_groups(model, weight_decay=1e-4), learning_rate=RATE)

    def images(self, batch: Batch) -> Sequence[Tensor]:
        """The embeddings of the two images of each study, from one call."""
        return self.model.embed_images(torch.cat(batch.images)).chunk(2)

    def texts(self, batch: Batch) -> Sequence[Tensor]:
        """The embeddings of the two texts of each study, from one call."""
        return self.model.embed_texts(joined(batch.texts)).chunk(2)

    def loss(self, views: Sequence[Tensor], scale: Tensor) -> Tensor:
        """The study contrast with the paper's weights."""
        pair = EmbeddedViews(images=(views[0], views[1]), texts=(views[2], views[3]))
        return weighted_sum(study_contrast(pair, scale), LossWeights())


class Plain:
    """The same computation as it is written first: backbones of transformers with the weights of `model`."""

    def __init__(self, model: DualEncoder) -> None:
        self.model = nn.ModuleDict(
            {
                "image": _plain_backbone(model.image.backbone),
                "text": _plain_backbone(model.text.backbone),
                "image_projection": _plain_linear(model.image_projection),
                "text_projection": _plain_linear(model.text_projection),
            }
        )
        self.model.register_parameter("log_scale", nn.Parameter(model.log_scale.detach().clone()))
        self.mean, self.std = model.image.mean, model.image.std
        learnt = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(learnt, lr=RATE, weight_decay=1e-4, foreach=False, fused=False)

    def images(self, batch: Batch) -> Sequence[Tensor]:
        """The embeddings of the two images of each study, from a call for each."""
        return [self._image(view) for view in batch.images]

    def texts(self, batch: Batch) -> Sequence[Tensor]:
        """The embeddings of the two texts of each study, from a call for each."""
        return [self._text(text) for text in batch.texts]

    def _image(self, view: Tensor) -> Tensor:
        coloured = (view.expand(-1, 3, -1, -1) / 255 - self.mean) / self.std
        hidden = self.model["image"](pixel_values=coloured).last_hidden_state
        feature = hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden.mean(dim=1)
        return functional.normalize(self.model["image_projection"](feature).float(), dim=1)

    def _text(self, text: Tokens) -> Tensor:
        room = PADDED - text.ids.shape[1]
        ids, mask = functional.pad(text.ids, (0, room)), functional.pad(text.mask, (0, room))
        hidden = self.model["text"](input_ids=ids, attention_mask=mask).last_hidden_state
        last = hidden[torch.arange(len(ids)), mask.sum(dim=1) - 1]
        return functional.normalize(self.model["text_projection"](last).float(), dim=1)

    def loss(self, views: Sequence[Tensor], scale: Tensor) -> Tensor:
        """Twelve matrices of similarities; image-text pairs count 1/4 each, images 1, texts 1/2."""
        target = torch.arange(len(views[0]))
        total = torch.zeros(())
        for first, second in combinations(range(4), 2):
            weight = {(0, 1): 1.0, (2, 3): 0.5}.get((first, second), 0.25)
            for one, other in ((views[first], views[second]), (views[second], views[first])):
                total = total + weight / 2 * functional.cross_entropy(scale * (one @ other.T), target)
        return total


Form = Ours | Plain


def set_heap(form: Form) -> None:
    """The C library's handling of freed memory: ours, or where glibc's own rule ends up with large blocks."""
    if isinstance(form, Ours):
        keep_freed_memory()
    elif sys.platform == "linux":
        for setting, megabytes in ((M_MMAP_THRESHOLD, 32), (M_TRIM_THRESHOLD, 64)):
            ctypes.CDLL(None).mallopt(setting, megabytes * 2**20)


def _plain_backbone(backbone: Any) -> nn.Module:
    without = {"add_pooling_layer": False} if backbone.config.model_type in ("bert", "swin") else {}
    as_written = type(backbone.config).from_dict(backbone.config.to_dict())
    model = transformers.AutoModel.from_config(as_written, **without)
    model.load_state_dict(backbone.state_dict())
    for weight, own in zip(model.parameters(), backbone.parameters(), strict=True):
        weight.requires_grad_(own.requires_grad)
    plain: nn.Module = model.train()
    return plain


def _plain_linear(layer: nn.Linear) -> nn.Linear:
    plain = nn.Linear(layer.in_features, layer.out_features)
    plain.load_state_dict(layer.state_dict())
    return plain


def step(form: Form, batch: Batch, *, bf16: bool) -> tuple[float, float, dict[str, tuple[float, float]]]:
    """One step: the loss, the norm of the gradient, and of each part the seconds of the processor and on the clock."""
    spent = dict.fromkeys(PARTS, (0.0, 0.0))

    def timed(part: str, work: Callable[[], Any]) -> Any:
        before = time.process_time(), time.perf_counter()
        result = work()
        processor, clock = spent[part]
        spent[part] = processor + time.process_time() - before[0], clock + time.perf_counter() - before[1]
        return result

    def encoded(encode: Callable[[Batch], Sequence[Tensor]]) -> Sequence[Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return encode(batch)

    def contrast() -> float:
        loss = form.loss(leaves, form.model.log_scale.exp())
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    set_heap(form)
    form.optimizer.zero_grad()
    images = timed("images", lambda: encoded(form.images))
    texts = timed("texts", lambda: encoded(form.texts))
    leaves = [view.detach().requires_grad_() for view in (*images, *texts)]
    loss = timed("loss", contrast)
    gradients = [leaf.grad for leaf in leaves]
    timed("images", lambda: torch.autograd.backward(images, gradients[:2]))
    timed("texts", lambda: torch.autograd.backward(texts, gradients[2:]))
    norm = torch.nn.utils.get_total_norm([w.grad for w in form.model.parameters() if w.grad is not None])
    timed("optimizer", form.optimizer.step)
    return loss, float(norm), spent


def made_up_batch(pixels: int, vocabulary: int) -> Batch:
    """Random pictures and tokens; lengths are those of real texts."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, len(LENGTHS), 1, pixels, pixels), generator=generator, dtype=torch.uint8)
    texts = []
    for lengths in zip(*LENGTHS, strict=True):
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        ids = torch.randint(5, vocabulary, mask.shape, generator=generator)
        texts.append(Tokens(ids * mask, mask))
    return Batch(images=(pictures[0], pictures[1]), texts=tuple(texts), study_ids=tuple(map(str, range(len(LENGTHS)))))


def lengths_of_reports(folder: Path, vocabulary: Path, studies: int) -> tuple[tuple[int, int], ...]:
    """What `LENGTHS` was taken from: a folder of Open-I's reports and a WordPiece vocabulary, one word a line."""
    from tokenizers import BertWordPieceTokenizer

    tokeniser = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    found = []
    for file in sorted(folder.glob("*.xml")):
        sections = read_openi_report(folder, file.name).sections
        if sections.get("findings") and sections.get("impression"):
            findings, impression = (len(tokeniser.encode(sections[name]).ids) for name in ("findings", "impression"))
            found.append((findings, impression))
    found.sort(key=lambda pair: (sum(pair), pair))
    return tuple(found[(2 * number + 1) * len(found) // (2 * studies)] for number in range(studies))


def case(architecture: str | Mapping[str, object], size: Size, *, bf16: bool) -> dict[str, object]:
    """Both forms in turns."""
    torch.manual_seed(0)
    image = image_encoder_from_architecture(architecture, pooling="mean")
    text = text_encoder_from_architecture(size.text, pooling="eos")
    model = DualEncoder(image, text)
    forms: dict[str, Form] = {"plain": Plain(model), "ours": Ours(model)}
    batch = made_up_batch(size.pixels, int(str(size.text["vocab_size"])))
    agreed = {}
    for name, form in forms.items():
        form.model.eval()
        agreed[name] = step(form, batch, bf16=bf16)[:2]
        form.model.train()
    refuse_unequal(agreed["plain"], agreed["ours"], tolerance=0.05 if bf16 else 1e-4)
    rounds: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in forms}
    for _ in range(size.rounds):
        for name, form in forms.items():
            rounds[name].append(step(form, batch, bf16=bf16)[2])
    told: dict[str, object] = {"loss_and_gradient_norm": agreed}
    for name, steps in rounds.items():
        told[name] = {
            kind: {part: round(statistics.median(spent[part][which] for spent in steps), 4) for part in PARTS}
            for which, kind in enumerate(("processor_seconds", "clock_seconds"))
        }
    return told


def refuse_unequal(plain: tuple[float, float], ours: tuple[float, float], *, tolerance: float) -> None:
    """End with a sentence where the two forms differ by more than `tolerance`, a share of the plain form's value."""
    for what, one, other in zip(("loss", "norm of the gradient"), plain, ours, strict=True):
        if abs(one - other) > tolerance * abs(one):
            raise SystemExit(
                f"the {what} of the plain form is {one:g} and ours {other:g}: they must agree within {tolerance:.2%}"
            )


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--rounds", type=int, help="how many steps of each form count")
    options.add_argument("--out", type=Path, default=RESULTS)
    asked = options.parse_args()
    size = TINY if asked.tiny else FULL
    size = replace(size, rounds=asked.rounds or size.rounds)
    torch.set_num_threads(1)
    cases = []
    for name, architecture in size.images.items():
        for precision in ("fp32", "bf16"):
            found = case(architecture, size, bf16=precision == "bf16")
            cases.append({"images": name, "precision": precision, **found})
            print(json.dumps(cases[-1]), flush=True)
    told = {
        "machine": f"{processor()}, one thread of {os.cpu_count()} cores",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "token_lengths": LENGTHS,
        "rounds": size.rounds,
        "cases": cases,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
