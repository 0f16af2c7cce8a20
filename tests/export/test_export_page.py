"""The code of docs/export.md runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_clip.embed import load
from cxr_clip.export.write_onnx import export_onnx
from support_data import made_up_picture
from support_models import tiny_run_folder

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")


def test_the_program_of_the_page_gives_the_logits_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tiny_run_folder(tmp_path / "run", Path("nowhere"))
    export_onnx(folder, tmp_path / "openi-onnx")
    Image.fromarray(made_up_picture(1, height=75, width=51)).save("chest.png")
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, np.ndarray] = {}
    exec(compile(program, "docs/export.md", "exec"), names)  # the page's own code
    model = load(folder, device="cpu")
    expected = model.scale * model.embed_images(["chest.png"]) @ model.embed_texts(names["sentences"]).T
    np.testing.assert_allclose(names["logits"], expected.numpy(), atol=1e-3)
