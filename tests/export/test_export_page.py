"""The code of docs/export.md runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_clip.commands.share import Form
from cxr_clip.embed import load
from support_data import made_up_picture

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")


def test_the_programs_of_the_page_give_the_logits_and_embeddings_of_the_run(
    folder: Path, onnx_folder: Path, openvino_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openi-onnx").symlink_to(onnx_folder)
    (tmp_path / "openi-openvino").symlink_to(openvino_folder)
    Image.fromarray(made_up_picture(1, height=75, width=51)).save("chest.png")
    programs = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    program = "".join(one for one in programs if "onnxruntime" in one or "openvino" in one)
    names: dict[str, np.ndarray] = {}
    exec(compile(program, "docs/export.md", "exec"), names)  # the page's own code
    model = load(folder, device="cpu")
    expected = model.scale * model.embed_images(["chest.png"]) @ model.embed_texts(names["sentences"]).T
    np.testing.assert_allclose(names["logits"], expected.numpy(), atol=1e-3)
    np.testing.assert_allclose(names["embeddings"], model.embed_images(["chest.png"]), atol=1e-4)
    np.testing.assert_allclose(names["in_bfloat16"], names["embeddings"], atol=0.05)


def test_the_command_of_each_form_is_on_the_page() -> None:
    assert {f"--to {form.value}" in PAGE for form in Form} == {True}
