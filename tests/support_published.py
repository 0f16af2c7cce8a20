"""A tiny checkpoint in the published format, made here: old names, settings of its kind, and files to spoil."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture

SWIN = {
    "model_type": "swin", "image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2, 1], "num_heads": [1, 2],
    "window_size": 4, "mlp_ratio": 2.0,
}  # fmt: skip
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "left", "effusion", "heart", ".")
BERT = {
    "model_type": "bert", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32,
    "max_position_embeddings": 24, "vocab_size": len(WORDS),
}  # fmt: skip
# What transformers 4 called the parts of a Swin, by what transformers 5 calls them.
SWIN_NAMES = {
    "attention.q_proj": "attention.self.query",
    "attention.k_proj": "attention.self.key",
    "attention.v_proj": "attention.self.value",
    "attention.o_proj": "attention.output.dense",
    "attention.relative_position_bias.": "attention.self.",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def tiny_model() -> DualEncoder:
    torch.manual_seed(8)
    image = image_encoder_from_architecture(SWIN, pooling="first")
    model = DualEncoder(image, text_encoder_from_architecture(BERT, pooling="eos"), dim=6)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def published_weights(model: DualEncoder) -> OrderedDict[str, Tensor]:
    """The weights of a model of ours by the published names, with the tables and the pooler that belong to them."""
    weights = OrderedDict(logit_scale=model.log_scale.detach().reshape(()))
    for name, value in model.image.backbone.state_dict().items():
        weights[f"image_encoder.image_encoder.{old_name(name)}"] = value
    for name, value in model.image.backbone.named_buffers():
        weights[f"image_encoder.image_encoder.{old_name(name)}"] = value
    for name, value in model.text.backbone.state_dict().items():
        weights[f"text_encoder.text_encoder.{name}"] = value
    weights["text_encoder.text_encoder.embeddings.position_ids"] = torch.arange(24)[None]
    weights["text_encoder.text_encoder.pooler.dense.weight"] = torch.randn(64, 64)
    weights["text_encoder.text_encoder.pooler.dense.bias"] = torch.randn(64)
    for tower in ("image", "text"):
        for name, value in getattr(model, f"{tower}_projection").state_dict().items():
            weights[f"{tower}_projection.projection.{name}"] = value
    # Clones: transformers marks its tensors with attributes, which torch would write as one more call.
    return OrderedDict((name, value.detach().clone()) for name, value in weights.items())


def old_name(name: str) -> str:
    for new, old in SWIN_NAMES.items():
        name = name.replace(new, old)
    return name


def settings() -> dict[str, object]:
    return {
        "base": {"image_size": 32, "text_max_length": 16},
        "data_train": {"mimic_cxr": {"name": "mimic_cxr"}, "chexpert": {"name": "chexpert"}},
        "tokenizer": {"pretrained_model_name_or_path": "nobody/nowhere"},
        "model": {
            "temperature": 0.07,
            "image_encoder": {"source": "huggingface", "name": "nobody/swin"},
            "text_encoder": {"source": "huggingface", "name": "nobody/nowhere", "pooling": "eos"},
        },
        "loss": {"cxr_clip": {"i2i_weight": 1.0, "t2t_weight": 0.5}},
    }


def checkpoint(**changes: object) -> dict[str, object]:
    moments = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(4)}}, "param_groups": [{"lr": 5e-5}]}
    whole = {"model": published_weights(tiny_model()), "optimizer": moments, "config": settings(), "epoch": 3}
    return {**whole, **changes}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def vocabulary(folder: Path) -> Path:
    """A folder with the vocabulary alone."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


def archive(pickled: bytes, parts: dict[str, bytes] | None = None, *, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip as torch writes it, around a pickle and other parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in {"data.pkl": pickled, "version": b"3\n", **(parts or {})}.items():
            file.writestr(f"tiny/{name}", data)
    return buffer.getvalue()


class Hostile:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> object:
        return self.call


def hostile(function: object, *arguments: object, protocol: int = 2) -> bytes:
    return pickle.dumps({"model": Hostile(function, *arguments)}, protocol=protocol)
