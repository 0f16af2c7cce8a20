"""What each option for small machines saves, counted: weights that train, and bytes kept for the backward pass.

    python benchmarks/kept.py [--results FILE]

ResNet-50 and BERT-base with random weights, in fp32: one forward pass of two studies (two 224-px images and two texts
of 128 tokens each). Parameters are not among the bytes. Counts depend on versions of libraries, not on the machine.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.gradient_checkpointing import compute_again
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.locking import lock, train_last
from cxr_clip.model.lora import adapt
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.tensors import Batch, Tokens

RESULTS = Path(__file__).parent / "results" / "kept.json"
STUDIES, SIDE, TOKENS = 2, 224, 128


def checkpoint_both(model: DualEncoder) -> None:
    compute_again(model.image)
    compute_again(model.text)


def adapters(model: DualEncoder) -> None:
    adapt(model.text, rank=8, alpha=16.0, dropout=0.0, targets=None)


def one_card(model: DualEncoder) -> None:
    adapters(model)
    checkpoint_both(model)


OPTIONS: dict[str, Callable[[DualEncoder], None]] = {
    "everything trains": lambda _model: None,
    "`model.image.train=locked`": lambda model: lock(model.image),
    "`model.text.train=locked`": lambda model: lock(model.text),
    "`model.image.train=1`": lambda model: train_last(model.image, 1),
    "`model.text.train=4`": lambda model: train_last(model.text, 4),
    "`model.text.lora={rank: 8}`": adapters,
    "`gradient_checkpointing` of both towers": checkpoint_both,
    "`lora` and `gradient_checkpointing` of both": one_card,
}


def model_to_measure() -> DualEncoder:
    torch.manual_seed(0)
    image = image_encoder_from_architecture("resnet50", pooling="mean")
    text = text_encoder_from_architecture({"model_type": "bert", "vocab_size": 28996}, pooling="eos")
    return DualEncoder(image, text)


def made_up_batch() -> Batch:
    ids = torch.randint(1, 28996, (STUDIES, TOKENS))
    tokens = Tokens(ids=ids, mask=torch.ones_like(ids))
    images = torch.randint(0, 256, (STUDIES, 1, SIDE, SIDE), dtype=torch.uint8)
    return Batch(images=(images, images), texts=(tokens, tokens), study_ids=tuple(map(str, range(STUDIES))))


def kept_bytes(forward: Callable[[], object]) -> int:
    """Bytes that a forward pass keeps for its backward pass, each memory once; parameters are not among them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    del result
    return sum(kept.values())


def measure(option: Callable[[DualEncoder], None]) -> dict[str, float]:
    model, batch = model_to_measure(), made_up_batch()
    option(model)
    model.train()
    return {
        "training_weights": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "kept_mb_per_study": round(kept_bytes(lambda: model(batch)) / STUDIES / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [{"option": name, **measure(option)} for name, option in OPTIONS.items()]
    content = {"versions": {"torch": torch.__version__}, "options": rows}
    arguments.results.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
