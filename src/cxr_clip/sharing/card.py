"""The model card: README.md of a shared model, its header for the hub and its text for people."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from torch import Tensor

from cxr_clip.checkpoint import Run
from cxr_clip.sharing.facts import Facts, Figure, Origin, SourceCount

CARD = "README.md"
_USE = """\
Research on chest X-rays and reports: zero-shot classification, retrieval, features for other models. Input: one frontal
or lateral image as 8-bit grey values, bones white; texts in the language of the reports that it learned from.
"""
_LIMITS = """\
Research only. Not a medical device: not for diagnosis, triage or any decision about a patient.

- Similarities are no probabilities, and a finding that no prompt names is not looked for.
- It knows the hospitals, machines and patients that it learned from, through labels and reports that have errors.
  Expect worse figures elsewhere, and in groups that were rare there; measure it on your own studies first.
- Models learn shortcuts (tubes, markers, the hospital), and may hold traces of the reports that they learned from.
  Sharing is bound by the terms of the data: those of MIMIC-CXR, CheXpert and others do not leave weights free.
"""


@dataclass(frozen=True)
class Presentation:
    """How a shared model is presented.

    `licence` is an identifier of the hub ("apache-2.0", "cc-by-nc-4.0", "other"), `use` the Markdown of how it is used,
    `library` what the hub says it is read with.
    """

    use: str
    licence: str = "other"
    library: str = "cxr-clip"
    tags: tuple[str, ...] = ()


def model_card(run: Run, facts: Facts, presentation: Presentation) -> str:
    """Return the card as Markdown with the YAML header of the hub."""
    parts = [
        f"---\n{_header(presentation)}---",
        f"# {run.recipe.name}",
        "A chest X-ray model: images and report texts in one space, where those of a study lie close together "
        "([method](https://arxiv.org/abs/2310.13292)).",
        f"## Use\n\n{presentation.use}",
        f"## Model\n\n{_table(('part', 'what'), _parts(run))}",
        f"## Weights\n\n{_weights(facts.origin)}",
        f"## Training data\n\n{_data(run, facts.sources)}",
        f"## Measured\n\n{_measured(facts.figures)}",
        f"## Intended use\n\n{_USE}",
        f"## Limits\n\n{_LIMITS}",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _header(presentation: Presentation) -> str:
    header = {
        "license": presentation.licence,
        "library_name": presentation.library,
        "pipeline_tag": "zero-shot-image-classification",
        "language": ["en"],
        "tags": ["chest-x-ray", "radiology", "medical-imaging", "clip", "contrastive-learning", *presentation.tags],
    }
    return yaml.safe_dump(header, sort_keys=False)


def use_here(address: str | None) -> str:
    """How a folder of this package is used, in Markdown; `address` is the model's name on the hub."""
    return (
        "```python\nimport cxr_clip\n\n"
        f"model = cxr_clip.load({address or 'THIS_FOLDER'!r})\n"
        'images = model.embed_images(["chest.png"])  # PNG, JPEG or DICOM files, or 8-bit grey arrays\n'
        'texts = model.embed_texts(["Pleural effusion", "No pleural effusion"])\n'
        'similarity = images @ texts.T\nanswers = model.classify(["chest.png"], ["Pleural Effusion"])\n```'
    )


def _parts(run: Run) -> Iterator[tuple[str, str]]:
    model, settings = run.model, run.recipe
    mean, std = map(_channels, (model.image.mean, model.image.std))
    yield "image encoder", f"{_kind(model.image.backbone)}, pooling {settings.model.image.pooling}"
    yield "images", f"{settings.data.image_size} px, short side resized, centre crop; mean {mean}; deviation {std}"
    yield "text encoder", f"{_kind(model.text.backbone)}, pooling {settings.model.text.pooling}"
    yield "texts", f"up to {settings.data.max_tokens} tokens of {len(run.tokeniser):,}"
    yield "embedding", f"{settings.model.embedding_size} numbers, unit length"
    yield "scale (1/temperature)", f"{float(model.scale.detach()):.3f}"
    yield "parameters", f"{sum(one.numel() for one in model.parameters()):,}"


def _channels(values: Tensor) -> str:
    return ", ".join(f"{one:g}" for one in values.flatten().tolist())


def _kind(backbone: object) -> str:
    """The family of a backbone with the sizes that tell its members apart."""
    architecture = getattr(backbone, "config").to_dict()  # noqa: B009
    names = ("depths", "num_hidden_layers", "hidden_sizes", "hidden_size")
    sizes = ", ".join(f"{name} {architecture[name]}" for name in names if architecture.get(name) is not None)
    return f"{architecture['model_type']} ({sizes})"


def _weights(origin: Origin | None) -> str:
    if origin is None:
        return "Trained with cxr-clip; every setting is in `recipe.yaml` of its run folder."
    rows = [
        ("file", f"`{origin.file}`, {origin.size:,} bytes"),
        ("SHA-256", f"`{origin.sha256}`"),
        ("tensors", f"{origin.tensors}, of which {origin.used} are used"),
        ("tables that the model makes itself, compared and equal", _by_last_name(origin.made_anew)),
        ("left out: behind the features that are used", ", ".join(origin.left_out) or "none"),
        ("tokeniser", origin.tokeniser),
    ]
    return (
        "Imported from a checkpoint in the format of the method's authors, under whose terms it is; the numbers are "
        f"unchanged.\n\n{_table(('what', 'value'), rows)}"
    )


def _by_last_name(names: Sequence[str]) -> str:
    counts = Counter(name.rpartition(".")[2] for name in names)
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _data(run: Run, sources: Sequence[SourceCount]) -> str:
    if sources:
        rows = [(one.manifest, *(f"{one.studies.get(name, 0):,}" for name in ("train", "validate"))) for one in sources]
        return _table(("manifest", "studies: train", "validate"), rows)
    names = ", ".join(one.manifest.name for one in run.recipe.data.sources)
    return f"{names}; how many studies is not known here."


def _measured(figures: Sequence[Figure]) -> str:
    if not figures:
        return "Nothing yet: `cxr-clip evaluate` writes the figures that this card takes."
    rows = [
        (one.benchmark, one.name, f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})", str(one.count), one.measured_on)
        for one in figures
    ]
    heads = ("benchmark", "figure", "value (95 % interval)", "n", "measured on")
    return f"{_table(heads, rows)}\n\nBootstrap intervals by patient."


def _table(heads: Sequence[str], rows: "Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]") -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
