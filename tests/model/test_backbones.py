"""A folder from somebody else never runs its own code, whatever it asks for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_clip.errors import CheckpointError
from cxr_clip.model.image_encoder import image_encoder_from_folder
from cxr_clip.model.text_encoder import text_encoder_from_config_folder
from cxr_clip.model.tokeniser import load_tokeniser


@pytest.mark.parametrize(
    "use",
    [
        lambda folder: image_encoder_from_folder(str(folder), pooling="mean"),
        lambda folder: text_encoder_from_config_folder(folder, pooling="eos"),
        lambda folder: load_tokeniser(str(folder)),
    ],
)
def test_code_in_a_model_folder_is_refused_without_a_question(
    use: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": [None, "own.Own"]}
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(json.dumps({"model_type": "own", "auto_map": places}))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'TRACE')!r}, 'w')\nclass Own: ...\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(CheckpointError, match="cannot load the model"):
        use(tmp_path)
    assert not (tmp_path / "TRACE").exists()
