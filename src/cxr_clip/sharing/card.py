"""The model card: README.md of a shared model, its header for the hub and its text for people."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from torch import Tensor

from cxr_clip.checkpoint import Run
from cxr_clip.sharing.facts import Facts, Figure, Origin, SourceCount
from cxr_clip.sharing.markdown import table

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
_NOTE = """\
Intervals are by patient: DeLong's for the AUROC of single findings where it can be had, else the bootstrap's."""
_GROUPS = """\
Groups differ in what they have, too: a lower figure in one of them is a reason to look, not yet a proof of a fault."""
_REASONS = 10


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
        f"## Model\n\n{table(('part', 'what'), parts_of(run))}",
        f"## Weights\n\n{_weights(run, facts.origin)}",
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


def parts_of(run: Run) -> Iterator[tuple[str, str]]:
    """The parts of a model, and what each is."""
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


def start_in_words(run: Run) -> str | None:
    """Which run's weights a run started from, with all manifests that these had learned from; None: from none."""
    name = run.recipe.model.start_from
    manifests = dict.fromkeys(one.manifest.name for earlier in run.started_from for one in earlier.data.sources)
    return f"the weights of {name}, which had learned from {', '.join(manifests)}" if name is not None else None


def _weights(run: Run, origin: Origin | None) -> str:
    if origin is None:
        start = start_in_words(run)
        began = f", from {start}" if start is not None else ""
        return f"Trained with cxr-clip{began}; every setting is in `recipe.yaml` of its run folder."
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
        f"unchanged.\n\n{table(('what', 'value'), rows)}"
    )


def _by_last_name(names: Sequence[str]) -> str:
    counts = Counter(name.rpartition(".")[2] for name in names)
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _data(run: Run, sources: Sequence[SourceCount]) -> str:
    if not sources:
        names = ", ".join(one.manifest.name for one in run.recipe.data.sources)
        return f"{names}; how many studies is not known here."
    rows = [
        (
            one.manifest,
            *(f"{one.studies.get(name, 0):,}" for name in ("train", "validate")),
            *("not known" if count is None else f"{count:,}" for count in (one.patients, one.images)),
            one.made or "as downloaded",
        )
        for one in sources
    ]
    heads = ("manifest", "studies: train", "validate", "patients", "images", "labels and ids")
    parts = [table(heads, rows), "No patient is in two splits of a manifest.", *map(_left_out, sources)]
    return "\n\n".join(part for part in parts if part)


def _left_out(source: SourceCount) -> str:
    """What the preparation of a manifest left out, the most frequent reasons first."""
    if not source.left_out:
        return ""
    told = sorted(source.left_out.items(), key=lambda item: (-item[1], item[0]))
    more = sum(count for _, count in told[_REASONS:])
    listed = [f"{reason} ({count:,})" for reason, count in told[:_REASONS]]
    return f"Left out of {source.manifest}: {'; '.join([*listed, *([f'{more:,} for other reasons'] if more else [])])}."


def _measured(figures: Sequence[Figure]) -> str:
    if not figures:
        return "Nothing yet: `cxr-clip evaluate` writes the figures that this card takes."
    groups = [one for one in figures if is_of_group(one)]
    parts = [_figure_table([one for one in figures if one not in groups]), _NOTE]
    if groups:
        parts += ["### Subgroups", _figure_table(groups), _GROUPS]
    return "\n\n".join(part for part in parts if part)


def is_of_group(figure: Figure) -> bool:
    """Whether a figure is of a group of patients or pictures."""
    return figure.benchmark.startswith("subgroups")


def _figure_table(figures: Sequence[Figure]) -> str:
    rows = [(one.benchmark, one.name, in_words(one), str(one.count), one.measured_on) for one in figures]
    return table(("benchmark", "figure", "value (95 % interval)", "n", "measured on"), rows) if rows else ""


def in_words(figure: Figure) -> str:
    """The value with its interval."""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
