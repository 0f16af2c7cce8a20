"""A folder for transformers gives the run's logits there, without this package, or it is not written."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_clip.checkpoint import WEIGHTS, write_run
from cxr_clip.data.images import grey as to_grey
from cxr_clip.embed import load
from cxr_clip.errors import ExportError
from cxr_clip.export import write_huggingface
from cxr_clip.export.remote.image_processing_cxr_clip import CxrClipImageProcessor
from cxr_clip.export.write_huggingface import export_huggingface
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.tensor_files import save_weights
from support_data import made_up_picture
from support_models import SENTENCES, tiny_recipe, tiny_run
from support_programs import run_program

SWIN = {"model_type": "swin", "image_size": 64, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}
OTHERS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "swin at another size": (SWIN, "mean"),
    "pooled": ({"model_type": "mobilenet_v2", "depth_multiplier": 0.25}, "pooled"),
    "first token": ({"model_type": "vit", "image_size": 48, "patch_size": 16, "hidden_size": 16,
                     "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}, "first"),
}  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    export_huggingface(folder, folder.parent / "huggingface", licence="apache-2.0")
    return folder.parent / "huggingface"


def test_transformers_alone_gives_the_logits_and_scores_of_the_run(
    folder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program of docs/export.md asks the pipeline."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openi-huggingface").symlink_to(exported)
    Image.fromarray(made_up_picture(1, height=75, width=51)).save("chest.png")
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    Path("program.py").write_text(next(one for one in programs if "pipeline" in one), encoding="utf-8")
    sentences = ["Pleural effusion", "No pleural effusion", *SENTENCES, "No change. " * 9]
    run_program("support_transformers_alone.py", "openi-huggingface", "program.py", *sentences)
    model = load(folder, device="cpu")
    expected = (model.scale * model.embed_images(["chest.png"]) @ model.embed_texts(sentences).T)[0]
    found = np.load("found.npz")
    np.testing.assert_allclose(found["logits"][0], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(found["scores"], expected[:2].softmax(dim=0).numpy(), atol=1e-6)


def test_certificate_card_and_code_lie_beside(folder: Path, exported: Path) -> None:
    certificate = json.loads((exported / "certificate.json").read_text())
    assert 0 < certificate["images"] < certificate["tolerance"] == 1e-5
    assert certificate["model"] == load(folder, device="cpu").fingerprint
    assert list(certificate["files"]) == ["model.safetensors"]
    card = (exported / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "license: apache-2.0" in card
    assert "cxr_clip.load" not in card
    for code in exported.glob("*.py"):
        assert code.read_text().startswith("# Copyright: the cxr-clip authors. Licensed under the Apache License")
        assert "import cxr_clip" not in code.read_text()
    assert not [file for file in exported.iterdir() if str(folder) in file.read_text("latin-1")]


@pytest.mark.parametrize("name", OTHERS)
def test_other_image_encoders_and_poolings_are_exported(name: str, tmp_path: Path) -> None:
    architecture, pooling = OTHERS[name]
    torch.manual_seed(3)
    run = tiny_run(tiny_recipe(Path("nowhere"), ("model.image", {"architecture": architecture, "pooling": pooling})))
    image = image_encoder_from_architecture(architecture, pooling=pooling)
    model = DualEncoder(image, run.model.text, dim=12).eval()
    write_run(tmp_path / "run", replace(run, model=model))
    save_weights(tmp_path / "run" / WEIGHTS, model)
    assert export_huggingface(tmp_path / "run", tmp_path / "out").images < 1e-5


def stored(picture: np.ndarray, kind: str, **options: object) -> Image.Image:
    file = BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return Image.open(file)


def test_pictures_are_seen_as_the_run_sees_them(folder: Path, exported: Path) -> None:
    """Colour, palette, transparency, 16 bits, a rotation in the file: the same values, bit for bit."""
    model, processor = load(folder, device="cpu"), CxrClipImageProcessor.from_pretrained(exported)
    grey = made_up_picture(2, height=57, width=40)
    colour = np.stack([grey, grey[::-1], 255 - grey], axis=2)
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures = [
        Image.fromarray(grey),
        Image.fromarray(colour),
        Image.fromarray(colour).quantize(16),
        Image.fromarray(np.dstack([colour, grey])),
        Image.fromarray(grey > 90),
        stored(grey.astype(np.uint16) * 16 + 5, "PNG"),
        stored(grey, "JPEG", exif=turned),
        Image.fromarray(np.ascontiguousarray(grey[:32, :32])),
    ]
    seen = processor(pictures, return_tensors="pt")["pixel_values"]
    encoder = model.encoder.image_encoder()
    squares = torch.from_numpy(np.stack([model.encoder.square(to_grey(picture)) for picture in pictures]))[:, None]
    assert torch.equal(seen, encoder._normalised(squares))
    assert torch.equal(processor([grey, colour], return_tensors="pt")["pixel_values"], seen[:2])
    with pytest.raises(ValueError, match="of fractions black and white are unknown"):
        processor(grey / 255)


def test_a_folder_that_differs_is_not_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_huggingface._renamed
    monkeypatch.setattr(
        write_huggingface,
        "_renamed",
        lambda model: {name: weight + 0.01 * ("projection" in name) for name, weight in whole(model).items()},
    )
    with pytest.raises(ExportError, match="the exported model is not the run's: embeddings of images by"):
        export_huggingface(folder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_limit_of_the_scale_is_applied(tmp_path: Path) -> None:
    run = tiny_run(tiny_recipe(Path("nowhere")))
    run.model.log_scale.data.fill_(9.0)
    assert float(write_huggingface._renamed(run.model)["logit_scale"].exp()) == pytest.approx(100)


def test_the_command_says_how_far_the_embeddings_are(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("export", folder, "out", "--to", "huggingface") == 0
    assert "embeddings differ from the run's by at most" in capsys.readouterr().out
