"""From a recipe to objects: the only place where settings become models, data sets and loaders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_clip.data.batching import Collate
from cxr_clip.data.dataset import Part, StudyDataset, choose_images, first_images
from cxr_clip.data.hard_negatives import Turner
from cxr_clip.data.hold_out import HeldOutCounts, added_up, findings_to_hold_out, hold_out, refuse_without_effect
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.prompts import PromptBank, load_prompt_bank, sayable
from cxr_clip.data.rare_draws import Draws, draws_of_studies
from cxr_clip.data.sayings import collect_sayings
from cxr_clip.data.store import ImageStore
from cxr_clip.data.texts import Wording, choose_texts, fixed_texts, states_labels, training_texts
from cxr_clip.data.transforms import EvalTransform, TrainTransform
from cxr_clip.distributed import SINGLE, Workers
from cxr_clip.errors import RecipeError, TrainingError
from cxr_clip.learned_from import training_part
from cxr_clip.model.batch_norm import batch_norm_names, synchronise
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import freeze
from cxr_clip.model.gradient_checkpointing import compute_again
from cxr_clip.model.image_encoder import ImageEncoder, image_encoder_from_architecture, image_encoder_from_folder
from cxr_clip.model.locking import lock, train_last
from cxr_clip.model.lora import adapt
from cxr_clip.model.text_encoder import (
    TextEncoder,
    set_dropout,
    text_encoder_from_architecture,
    text_encoder_from_folder,
)
from cxr_clip.model.tokeniser import load_tokeniser, tokenise, train_tokeniser
from cxr_clip.recipe import (
    DataSettings,
    ImageEncoderSettings,
    LoraSettings,
    ModelSettings,
    Recipe,
    SourceSettings,
    Trained,
)
from cxr_clip.study import ImageFile, Split, Study

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# So many studies are worded to see how often each exchange of hard negatives is drawn.
_REHEARSED = 4_000


@dataclass(frozen=True)
class Source:
    """One manifest of a recipe: its training and validation studies and how they are put into words.

    `held_out` counts what was kept from each split, if findings are held out.
    """

    train: Manifest
    validate: Manifest
    store: ImageStore
    wording: Wording
    held_out: Mapping[Split, HeldOutCounts] = field(default_factory=dict)


def open_sources(settings: DataSettings) -> tuple[Source, ...]:
    """The manifests of a recipe.

    Raises TrainingError where there is nothing to learn from, or nothing to hold out, PromptError where the prompt file
    lacks sentences for what studies with labels only may have to state.
    """
    bank = load_prompt_bank(settings.prompts)
    sources = tuple(_open_source(one, bank, settings) for one in settings.sources)
    if settings.hold_out:
        sources = _without(sources, findings_to_hold_out(settings.hold_out))
    if not any(len(source.train) for source in sources):
        raise TrainingError("no manifest of data.sources has a study in the split 'train'")
    _refuse_missing_sentences(bank, sources)
    return sources


def _open_source(settings: SourceSettings, bank: PromptBank, data: DataSettings) -> Source:
    manifest = read_manifest(settings.manifest)
    return Source(
        train=training_part(manifest, data),
        validate=manifest.where(split=Split.VALIDATE),
        store=ImageStore(manifest.root),
        wording=Wording(
            bank,
            negatives=settings.negatives,
            label_prompts=settings.label_prompts,
            cut_sentences=settings.cut_sentences,
            shuffle=data.sentence_order == "shuffled",
        ),
    )


def _without(sources: tuple[Source, ...], findings: frozenset[str]) -> tuple[Source, ...]:
    """The sources without what speaks of some findings."""
    held = [(hold_out(source.train, findings), hold_out(source.validate, findings)) for source in sources]
    refuse_without_effect(findings, added_up(part.counts for pair in held for part in pair))
    counts = [{Split.TRAIN: train.counts, Split.VALIDATE: validate.counts} for train, validate in held]
    return tuple(
        replace(source, train=train.manifest, validate=validate.manifest, held_out=of_splits)
        for source, (train, validate), of_splits in zip(sources, held, counts, strict=True)
    )


def held_out(sources: tuple[Source, ...]) -> Mapping[Split, HeldOutCounts]:
    """What was kept from each split of all sources; nothing where no finding is held out."""
    splits = dict.fromkeys(split for source in sources for split in source.held_out)
    return {split: added_up(source.held_out[split] for source in sources) for split in splits}


def study_draws(settings: DataSettings, sources: tuple[Source, ...], *, batch_size: int) -> Draws | None:
    """How often each training study is drawn in an epoch; None: once each. Raises TrainingError where all are alike."""
    asked = settings.rare_sampling
    if asked is None:
        return None
    tables = [source.train.table for source in sources]
    return draws_of_studies(tables, exponent=asked.exponent, most=asked.most_draws, batch_size=batch_size)


def _refuse_missing_sentences(bank: PromptBank, sources: tuple[Source, ...]) -> None:
    bank.require(
        pair
        for source in sources
        for study in chain(source.train, source.validate)
        if states_labels(study, source.wording)
        for pair in sayable(study.findings, negatives=source.wording.negatives)
    )


def make_model(recipe: Recipe, sources: tuple[Source, ...]) -> "tuple[DualEncoder, PreTrainedTokenizerBase]":
    """A model that starts from no other run, with its tokeniser; random weights depend on the recipe's seed."""
    settings = recipe.model
    tokeniser = _make_tokeniser(recipe, sources)
    torch.manual_seed(recipe.train.seed)
    image = _make_image_encoder(settings.image)
    text = _make_text_encoder(settings, len(tokeniser))
    refuse_tokens_beyond(text, tokeniser, max_tokens=recipe.data.max_tokens)
    model = DualEncoder(
        image,
        text,
        dim=settings.embedding_size,
        temperature=settings.temperature,
        buckets=settings.text.buckets,
    )
    return model, tokeniser


def set_up_training(
    model: DualEncoder, settings: ModelSettings, workers: Workers = SINGLE, *, device: str = "cpu"
) -> None:
    """Give a model, new or read from its run, what a recipe says of its training alone.

    That is dropout, batch normalisation over `workers`, what trains, and what is computed again to save memory.
    """
    if settings.text.dropout is not None:
        set_dropout(model.text, settings.text.dropout)
    _set_batch_norm(model, settings.image, workers, device=device)
    _choose_what_trains(model.image, settings.image.train)
    _choose_what_trains(model.text, settings.text.train)
    _adapt(model.text, settings.text.lora)
    freeze(model, settings.freeze)
    for tower, asked in ((model.image, settings.image), (model.text, settings.text)):
        if asked.gradient_checkpointing:
            compute_again(tower)


def _set_batch_norm(model: DualEncoder, settings: ImageEncoderSettings, workers: Workers, *, device: str) -> None:
    layers = batch_norm_names(model.image)
    if settings.batch_norm != "synchronised" and not layers:
        raise RecipeError(
            f"model.image.batch_norm={settings.batch_norm} has no effect: this image encoder has no batch "
            "normalisation; leave it out"
        )
    if settings.batch_norm == "frozen":
        freeze(model, [f"image.{name}" for name in layers])
    if settings.batch_norm == "synchronised" and workers.count > 1:
        synchronise(model.image, workers, device=device)


def _adapt(tower: TextEncoder, settings: LoraSettings | None) -> None:
    if settings is not None:
        adapt(
            tower,
            rank=settings.rank,
            alpha=settings.alpha,
            dropout=settings.dropout,
            targets=settings.targets,
        )


def _choose_what_trains(tower: ImageEncoder | TextEncoder, train: Trained) -> None:
    if train == "locked":
        lock(tower)
    elif train != "all":
        train_last(tower, train)


def _make_image_encoder(settings: ImageEncoderSettings) -> ImageEncoder:
    if settings.pretrained is not None:
        return image_encoder_from_folder(
            settings.pretrained, pooling=settings.pooling, mean=settings.mean, std=settings.std
        )
    assert settings.architecture is not None
    return image_encoder_from_architecture(
        settings.architecture, pooling=settings.pooling, mean=settings.mean, std=settings.std
    )


def _make_text_encoder(settings: ModelSettings, vocabulary_size: int) -> TextEncoder:
    text = settings.text
    if text.pretrained is not None:
        return text_encoder_from_folder(text.pretrained, pooling=text.pooling)
    assert text.architecture is not None
    if "vocab_size" in text.architecture:
        raise RecipeError("model.text.architecture.vocab_size has no effect: the tokeniser decides it; leave it out")
    architecture = {**text.architecture, "vocab_size": vocabulary_size}
    return text_encoder_from_architecture(architecture, pooling=text.pooling)


def refuse_tokens_beyond(text: TextEncoder, tokeniser: "PreTrainedTokenizerBase", *, max_tokens: int) -> None:
    """Refuse texts that are longer, or tokens with higher numbers, than the text encoder has embeddings for."""
    longest, last = text.longest_text, max(tokeniser.get_vocab().values())
    if longest is not None and max_tokens > longest:
        raise RecipeError(
            f"data.max_tokens={max_tokens} is more than this text encoder takes: set data.max_tokens={longest} or less"
        )
    if last >= text.vocabulary_size:
        raise RecipeError(
            f"the tokeniser of this text encoder numbers its tokens up to {last}, and the encoder has embeddings up "
            f"to {text.vocabulary_size - 1}: give a folder whose tokeniser and weights belong together"
        )


def _make_tokeniser(recipe: Recipe, sources: tuple[Source, ...]) -> "PreTrainedTokenizerBase":
    text = recipe.model.text
    if text.tokeniser is None:
        assert text.pretrained is not None
        return load_tokeniser(text.pretrained)
    return train_tokeniser(
        _all_texts(sources), vocabulary_size=text.tokeniser.vocabulary_size, lowercase=text.tokeniser.lowercase
    )


def _all_texts(sources: tuple[Source, ...]) -> Iterator[str]:
    for source in sources:
        for study in source.train:
            yield from training_texts(study, source.wording)


def make_training_set(
    settings: DataSettings, sources: tuple[Source, ...], *, seed: int, draws: Draws | None = None
) -> StudyDataset:
    """The training studies: images and texts drawn anew in every epoch; `draws` are those of `study_draws`."""
    augment, exact = settings.augment, settings.training_pixels == "exact"
    transform = TrainTransform(
        settings.image_size,
        crop_scale=augment.crop_scale,
        clahe_probability=augment.clahe_probability,
        clahe_clip=augment.clahe_clip,
        brightness=augment.brightness,
        contrast=augment.contrast,
        exact=exact,
    )
    parts = [
        Part(
            studies=source.train,
            read_image=source.store.read if exact else partial(_read_reduced, source.store, settings.image_size),
            texts=partial(choose_texts, wording=source.wording, count=settings.texts_per_study),
            turned=_make_turner(source, settings, own) if settings.hard_negatives else None,
        )
        for source, own in zip(sources, _by_source(draws, sources), strict=True)
    ]
    return StudyDataset(parts, choose=choose_images, transform=transform, images=settings.images_per_study, seed=seed)


def _by_source(draws: Draws | None, sources: tuple[Source, ...]) -> Sequence[Draws | None]:
    if draws is None:
        return [None] * len(sources)
    return np.split(draws, np.cumsum([len(source.train) for source in sources])[:-1])


def _make_turner(source: Source, settings: DataSettings, draws: Draws | None) -> Turner:
    """How hard negatives are made, rehearsed on texts as training draws them; none states what is held out."""
    held_out = findings_to_hold_out(settings.hold_out)
    turner = Turner(collect_sayings(source.train, source.wording.bank, silent=held_out), settings.hard_negatives)
    rng, count = np.random.default_rng(0), len(source.train)
    if draws is None:
        studies = rng.permutation(count)[:_REHEARSED]
    else:
        studies = rng.choice(count, size=_REHEARSED, p=draws / draws.sum()) if count else np.arange(0)
    texts = partial(choose_texts, rng=rng, wording=source.wording, count=settings.texts_per_study)
    return turner.rehearsed(chain.from_iterable(texts(source.train[study]) for study in studies.tolist()))


def make_validation_set(settings: DataSettings, sources: tuple[Source, ...]) -> StudyDataset:
    """The validation studies: always the same images and texts of each."""
    parts = [
        Part(
            studies=source.validate,
            read_image=source.store.read,
            texts=partial(_fixed, wording=source.wording, count=settings.texts_per_study),
        )
        for source in sources
    ]
    transform = partial(_without_chance, EvalTransform(settings.image_size))
    return StudyDataset(parts, choose=first_images, transform=transform, images=settings.images_per_study, seed=0)


def make_collate(recipe: Recipe, tokeniser: "PreTrainedTokenizerBase") -> Collate:
    """How samples become a batch with this tokeniser."""
    return Collate(partial(tokenise, tokeniser, max_length=recipe.data.max_tokens))


def choose_device(asked: str) -> str:
    """The device that is asked for; "auto" takes a GPU if there is one. Raises RecipeError for one that is absent."""
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise RecipeError(f"device {asked!r} is not to be had here: use auto or cpu") from error
    return asked


def _read_reduced(store: ImageStore, size: int, image: ImageFile) -> NDArray[np.uint8]:
    return store.read(image, reduced_to=size)


def _fixed(study: Study, _rng: np.random.Generator, *, wording: Wording, count: int) -> tuple[str, ...]:
    return fixed_texts(study, wording, count=count)


def _without_chance(transform: EvalTransform, image: NDArray[np.uint8], _rng: np.random.Generator) -> NDArray[np.uint8]:
    return transform(image)
