"""A program without this package: an exported folder by transformers alone; what it finds goes to a file of arrays."""

import sys
from pathlib import Path

sys.modules["cxr_clip"] = None  # type: ignore[assignment]  # from here on nobody can import it

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer  # noqa: E402


def main(folder: str, program: Path, sentences: list[str]) -> None:
    """Logits of chest.png and sentences by the model, and the answers of a program with the folder's pipeline."""
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
    tokeniser = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    tokens = tokeniser(sentences, padding=True, truncation=True, return_tensors="pt")
    with Image.open("chest.png") as picture:
        given = processor(picture, return_tensors="pt")
    logits = model(**tokens, **given).logits_per_image.detach().numpy()
    names: dict[str, list[dict[str, object]]] = {}
    exec(compile(program.read_text("utf-8"), str(program), "exec"), names)
    scores = {str(answer["label"]): answer["score"] for answer in names["answers"]}
    np.savez("found.npz", logits=logits, scores=[scores[str(label)] for label in names["labels"]])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
