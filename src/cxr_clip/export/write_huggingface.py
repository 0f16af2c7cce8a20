"""A run to a folder that transformers loads by itself, without this package.

config.json, model.safetensors      the model, for AutoModel with trust_remote_code=True
*_cxr_clip.py                       its code, which transformers runs (remote/)
preprocessor_config.json            how a picture becomes what the model sees
tokenizer.json ...                  vocabulary and rules
certificate.json, README.md         how far its embeddings are from the run's; the model card
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.export.certificate import Certificate, refuse_difference
from cxr_clip.export.folder import new_folder, write_card, write_certificate
from cxr_clip.export.proof import Exported, Picture, prove
from cxr_clip.model.backbones import quiet
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.sharing.card import Presentation
from cxr_clip.sharing.hub import find_model

# The model is computed by the same library with the same weights: only the order of sums differs.
TOLERANCE = 1e-5
REMOTE = Path(__file__).parent / "remote"
_CODE = ("configuration_cxr_clip", "image_processing_cxr_clip", "modeling_cxr_clip")
_WEIGHTS = "model.safetensors"
# Our names of weights, and theirs here.
_NAMES = {
    "image.backbone.": "vision_model.",
    "text.backbone.": "text_model.",
    "image_projection.": "visual_projection.",
    "text_projection.": "text_projection.",
    "log_scale": "logit_scale",
}
_USE = """\
With transformers alone; `trust_remote_code=True` runs the `*_cxr_clip.py` of this folder.

```python
from transformers import pipeline

classify = pipeline("zero-shot-image-classification", model="THIS_FOLDER", trust_remote_code=True)
labels = ["Pleural effusion", "No pleural effusion"]
classify("chest.png", candidate_labels=labels, hypothesis_template="{}")
```

Without `hypothesis_template="{}"` transformers writes "This is a photo of" before each label, which no report says.
`AutoModel`, `AutoImageProcessor` and `AutoTokenizer` load the parts. Files of more than 8 bits: open them with Pillow
and give them to the image processor, as the pipeline cuts them to 8 bits. `certificate.json` says how far the
embeddings are from those of cxr-clip.
"""


def export_huggingface(run: Path, out: Path, *, licence: str = "other", tolerance: float = TOLERANCE) -> Certificate:
    """Write the best weights of a run as a folder for transformers, which appears when it is proved.

    Raises CheckpointError where `run` is no run or `out` is not empty, ExportError where embeddings differ by more than
    `tolerance`.
    """
    with new_folder(out) as folder:
        source = find_model(run)
        loaded = load_run(source)
        _write_model(loaded, folder)
        certificate = prove(
            loaded, _read_back(folder, type(loaded.tokeniser)), [folder / _WEIGHTS], packages=(), tolerance=tolerance
        )
        refuse_difference(certificate)
        write_certificate(folder, certificate)
        presentation = Presentation(use=_USE, licence=licence, library="transformers", tags=("custom_code",))
        write_card(folder, loaded, source, presentation)
    return certificate


def _write_model(run: Run, folder: Path) -> None:
    from cxr_clip.export.remote.image_processing_cxr_clip import CxrClipImageProcessor
    from cxr_clip.export.remote.modeling_cxr_clip import CxrClipModel

    encoder, size = run.model.image, run.recipe.data.image_size
    with quiet():
        model = CxrClipModel(_configuration(run))
        model.load_state_dict(_renamed(run.model), strict=True)
        model.save_pretrained(folder)
        mean, std = encoder.mean.flatten().tolist(), encoder.std.flatten().tolist()
        CxrClipImageProcessor(size=size, image_mean=mean, image_std=std).save_pretrained(folder)
    run.tokeniser.save_pretrained(str(folder))
    _add(folder / "tokenizer_config.json", {"model_max_length": run.recipe.data.max_tokens})
    for name in _CODE:
        shutil.copyfile(REMOTE / f"{name}.py", folder / f"{name}.py")
    model_code = f"{_CODE[2]}.CxrClipModel"
    code = {"AutoConfig": f"{_CODE[0]}.CxrClipConfig", "AutoModel": model_code}
    _add(folder / "config.json", {"auto_map": code | {"AutoModelForZeroShotImageClassification": model_code}})
    processor = {"AutoImageProcessor": f"{_CODE[1]}.CxrClipImageProcessor"}
    _add(folder / "preprocessor_config.json", {"auto_map": processor})


def _configuration(run: Run) -> Any:
    from cxr_clip.export.remote.configuration_cxr_clip import CxrClipConfig

    model = run.model
    backbones: Sequence[Any] = (model.image.backbone, model.text.backbone)
    vision, text = ({**backbone.config.to_dict(), "_name_or_path": ""} for backbone in backbones)
    return CxrClipConfig(
        vision_config=vision,
        text_config=text,
        image_pooling=model.image.pooling,
        text_pooling=model.text.pooling,
        image_feature_size=model.image.feature_size,
        text_feature_size=model.text.feature_size,
        projection_dim=run.recipe.model.embedding_size,
    )


def _renamed(model: DualEncoder) -> Mapping[str, Tensor]:
    weights = {
        next(theirs + name.removeprefix(ours) for ours, theirs in _NAMES.items() if name.startswith(ours)): weight
        for name, weight in model.state_dict().items()
    }
    # The limit of the scale is training's: here it has been applied.
    return weights | {"logit_scale": model.scale.detach().log()}


def _read_back(folder: Path, tokeniser_class: Any) -> Exported:
    """The folder as transformers reads it."""
    from cxr_clip.export.remote.image_processing_cxr_clip import CxrClipImageProcessor
    from cxr_clip.export.remote.modeling_cxr_clip import CxrClipModel

    with quiet():
        model: nn.Module = CxrClipModel.from_pretrained(folder).eval()
        processor = CxrClipImageProcessor.from_pretrained(folder)
        tokeniser = tokeniser_class.from_pretrained(folder)

    @torch.inference_mode()
    def embed_images(pictures: Sequence[Picture]) -> Tensor:
        given = processor([Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        embeddings: Tensor = model(**given).image_embeds
        return embeddings

    @torch.inference_mode()
    def embed_texts(texts: Sequence[str]) -> Tensor:
        tokens = tokeniser(list(texts), padding=True, truncation=True, return_tensors="pt")
        embeddings: Tensor = model(**tokens).text_embeds
        return embeddings

    return Exported(embed_images, embed_texts)


def _add(file: Path, settings: Mapping[str, object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(content | settings, indent=2) + "\n", encoding="utf-8")
