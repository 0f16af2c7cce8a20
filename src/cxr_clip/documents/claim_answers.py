"""What a run and its data answer of the items of CLAIM 2024; None: nothing in them does."""

from cxr_clip import __version__
from cxr_clip.documents.data_facts import HEADS, demographics, listed
from cxr_clip.documents.open_question import partly
from cxr_clip.documents.study_facts import StudyFacts
from cxr_clip.sharing.card import in_words, is_of_group, parts_of, start_in_words
from cxr_clip.sharing.facts import Figure
from cxr_clip.sharing.folder import without_places

_HEADLINES = ("auroc/macro", "accuracy/macro", "image_to_text/recall_at_10", "text_to_image/recall_at_10")


def method(study: StudyFacts) -> str:
    """Item 1."""
    parts = dict(parts_of(study.run))
    return f"Deep learning: contrastive language-image pre-training; {parts['image encoder']}; {parts['text encoder']}."


def direction(study: StudyFacts) -> str | None:  # noqa: ARG001
    """Item 5."""
    return partly("The model learned from and was measured on data that were there before it.", "Their collection")


def sources(study: StudyFacts) -> str | None:
    """Item 7."""
    named = [f"{one.manifest} ({listed(one.studies)})" for one in study.facts.sources]
    others = study.measured_on(trained=False)
    told = [f"Trained and validated on studies of {', '.join(named)}." if named else ""]
    told += [f"Measured also on {', '.join(others)}."] if others else []
    return " ".join(filter(None, told)) or None


def criteria(study: StudyFacts) -> str | None:
    """Item 8."""
    reasons = [f"{reason} ({count:,})" for one in study.data for reason, count in one.preparation.reasons.items()]
    if not study.data:
        return None
    told = f"Left out when the data were prepared: {'; '.join(reasons[:10]) or 'nothing'}."
    return partly(told, "Clinical criteria of the data sets")


def preprocessing(study: StudyFacts) -> str:
    """Item 9."""
    parts = dict(parts_of(study.run))
    return f"8-bit grey, bones white; {parts['images']}. Texts: {parts['texts']}."


def subsets(study: StudyFacts) -> str | None:
    """Item 10."""
    limits = [one.preparation.settings.get("limit") for one in study.data]
    if not study.data:
        return None
    cut = [f"the first {limit}" for limit in limits if limit]
    return (
        f"Of the listed studies, {', '.join(cut)} were taken." if cut else "All studies that could be used were taken."
    )


def hidden_identity(study: StudyFacts) -> str | None:
    """Item 11."""
    hashed = [one.name for one in study.data if one.provenance.hashed_ids]
    return partly(f"Ids of {', '.join(hashed)} are keyed hashes." if hashed else None, "Images and texts")


def missing_data(study: StudyFacts) -> str:  # noqa: ARG001
    """Item 12."""
    return (
        "Nothing is filled in: a study that a finding is not stated of, or is doubted in, counts for no figure of that "
        "finding; studies without an image that can be read are left out."
    )


def reference_standard(study: StudyFacts) -> str | None:
    """Item 14."""
    by_rule = [one.name for one in study.data if one.provenance.labelled_by_rule]
    told = f"Labels of {', '.join(by_rule)} that came without any were made from reports by rule." if by_rule else None
    return partly(told, "Other labels are those of the data sets; how they were made")


def partitions(study: StudyFacts) -> str | None:
    """Item 19."""
    told = [
        f"{one.name}: {', '.join(f'{split.value} {counts.studies:,}' for split, counts in one.splits.items())}"
        + "".join(f"; {remark}" for remark in one.preparation.remarks if "split" in remark)
        for one in study.data
    ]
    return ". ".join(told) + "." if told else None


def disjoint(study: StudyFacts) -> str | None:
    """Item 20."""
    return "By patient, within each data set: a patient in two splits is refused." if study.data else None


def sample_size(study: StudyFacts) -> str | None:
    """Item 21."""
    counts = sorted({one.count for one in study.facts.figures})
    told = f"Figures are of {counts[0]:,} to {counts[-1]:,} cases." if counts else None
    return partly(told, "How many were meant to be enough, and why")


def model(study: StudyFacts) -> str:
    """Item 22; the scale is left out, as it is one of the weights."""
    return "; ".join(f"{part}: {what}" for part, what in parts_of(study.run) if not part.startswith("scale")) + "."


def software(study: StudyFacts) -> str | None:  # noqa: ARG001
    """Item 23."""
    told = f"CXR-CLIP (this list is of version {__version__}), on PyTorch and Transformers."
    return partly(told, "The versions of the training")


def initial_values(study: StudyFacts) -> str:
    """Item 24."""
    if study.facts.origin is not None:
        return f"Weights were imported from {study.facts.origin.file}, SHA-256 {study.facts.origin.sha256}."
    start = start_in_words(without_places(study.run))
    if start is not None:
        return f"Training went on from {start}."
    settings = study.run.recipe.model
    image, text = (one.pretrained or "random weights" for one in (settings.image, settings.text))
    return f"Image encoder: {_last_name(image)}; text encoder: {_last_name(text)}; projections: random weights."


def training(study: StudyFacts) -> str:
    """Item 25."""
    train, loss, augment = study.run.recipe.train, study.run.recipe.loss, study.run.recipe.data.augment
    return (
        f"AdamW, {train.epochs} epochs of batches of {train.batch_size} studies, learning rate {train.learning_rate:g} "
        f"(warm-up {train.warmup_epochs:g} epochs, then a cosine), weight decay {train.weight_decay:g}, "
        f"{train.precision}, seed {train.seed}; loss {loss.image_text:g} image-text + {loss.image_image:g} "
        f"image-image + {loss.text_text:g} text-text; crops of {augment.crop_scale[0]:g} to {augment.crop_scale[1]:g} "
        f"of the area, CLAHE with probability {augment.clahe_probability:g}. Every setting is in recipe.yaml."
    )


def final_model(study: StudyFacts) -> str:
    """Item 26."""
    by = {"recall": "the mean of R@1, R@5 and R@10 from image to text", "loss": "the loss"}
    return f"The best weights by {by[study.run.recipe.train.best_by]} on the validation studies."


def ensembles(study: StudyFacts) -> str:
    """Item 27."""
    average = study.run.recipe.train.average
    return "One model." + (f" Its weights are a moving average (decay {average.decay:g})." if average else "")


def metrics(study: StudyFacts) -> str | None:
    """Item 28."""
    names = dict.fromkeys(one.name.rpartition("/")[0] or one.name for one in study.facts.figures)
    kinds = dict.fromkeys("auroc" if name.startswith("auroc") else name for name in names)
    return f"Those of the evaluations: {', '.join(kinds)}." if kinds else None


def uncertainty(study: StudyFacts) -> str | None:
    """Item 29."""
    if not study.facts.figures:
        return None
    return (
        "95 % intervals by patient: DeLong's for the AUROC of single findings where there is one, else the bootstrap's."
    )


def robustness(study: StudyFacts) -> str | None:
    """Item 30."""
    found = dict.fromkeys(one.benchmark for one in study.figures("wording", "meaning", "subgroups", "views"))
    return f"Benchmarks {', '.join(found)}." if found else None


def explanations(study: StudyFacts) -> str | None:
    """Item 31."""
    found = dict.fromkeys(one.benchmark for one in study.figures("grounding"))
    return f"Maps by place, measured in {', '.join(found)}." if found else None


def internal(study: StudyFacts) -> str | None:
    """Item 32."""
    before = " and of the runs that it started from" if study.run.started_from else ""
    return _measured(study.measured_on(trained=True), f"the data sets of its recipe{before}")


def external(study: StudyFacts) -> str | None:
    """Item 33."""
    told = _measured(study.measured_on(trained=False), "manifests that its recipe does not name")
    return partly(told, "Whether these are of other hospitals")


def flow(study: StudyFacts) -> str | None:
    """Item 35."""
    told = [
        f"{one.name}: {one.counts.studies:,} studies of {one.counts.patients:,} patients taken, "
        f"{sum(one.preparation.reasons.values()):,} cases left out, {one.preparation.absent_images:,} images absent"
        for one in study.data
    ]
    return "; ".join(told) + "." if told else None


def characteristics(study: StudyFacts) -> str | None:
    """Item 36."""
    told = [
        f"{one.name}, " + ", ".join(f"{head} {cell}" for head, cell in zip(HEADS, row, strict=True))
        for one in study.data
        for row in demographics(one)
    ]
    return partly("; ".join(told) + "." if told else None, "Clinical characteristics")


def performance(study: StudyFacts) -> str | None:
    """Item 37."""
    return _figures([one for one in study.facts.figures if one.name in _HEADLINES and not is_of_group(one)])


def precision(study: StudyFacts) -> str | None:
    """Item 38."""
    single = [one for one in study.facts.figures if one.name.startswith("auroc/") and not is_of_group(one)]
    return _figures([one for one in single if one.name != "auroc/macro"])


def limitations(study: StudyFacts) -> str | None:  # noqa: ARG001
    """Item 40."""
    return partly("Those of the model stand in its card.", "Those of the study")


def details(study: StudyFacts) -> str | None:
    """Item 42."""
    told = (
        f"recipe.yaml ({study.run.recipe.name}) has every setting, report.json the protocol and hash of each benchmark."
    )
    return partly(told, "The protocol of the study")


def availability(study: StudyFacts) -> str | None:  # noqa: ARG001
    """Item 43."""
    return partly("The software is CXR-CLIP (Apache-2.0).", "Weights and data")


def _measured(names: list[str], what: str) -> str | None:
    return f"On {what}: {', '.join(names)}." if names else None


def _figures(figures: list[Figure]) -> str | None:
    told = [f"{one.benchmark} {one.name} {in_words(one)}, n = {one.count:,}, {one.measured_on}" for one in figures]
    return "; ".join(told) + "." if told else None


def _last_name(pretrained: str) -> str:
    """A name on the hub as it is; of a path the last part."""
    return pretrained if pretrained.count("/") <= 1 else pretrained.rpartition("/")[2]
