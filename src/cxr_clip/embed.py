"""Images and texts to embeddings with a trained model: what `cxr_clip.load` returns."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cxr_clip import checkpoint
from cxr_clip.assemble import choose_device
from cxr_clip.calibration import Calibration, read_calibration
from cxr_clip.checkpoint import Run, load_run
from cxr_clip.classify import (
    Classification,
    Looked,
    Question,
    classify_images,
    classify_together,
    directions_of,
    prompts_for,
)
from cxr_clip.data.pictures import SHORT_SIDE, ImageInput, as_picture, name_of
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.directions import Direction
from cxr_clip.encoding import Encoder
from cxr_clip.errors import EmbeddingInputError
from cxr_clip.explain import Explanation, Square, TextMap, differences, text_maps, view_whole
from cxr_clip.looking import Seen, look
from cxr_clip.model.local_scores import Method
from cxr_clip.read_ahead import read_ahead
from cxr_clip.reference import Reference, read_reference
from cxr_clip.search.nearest import nearest_studies, refuse_other_model
from cxr_clip.search.vector_index import Hit, VectorIndex, Wanted
from cxr_clip.sharing.facts import gather
from cxr_clip.sharing.folder import write_model
from cxr_clip.sharing.hub import HubApi, find_model, push_model
from cxr_clip.study import View
from cxr_clip.study_views import study_images

BATCH = 64


class Embedder:
    """A model ready to use: unit-length embeddings of chest X-rays and texts in one space.

    Images are paths or bytes of PNG, JPEG, DICOM and other files, open binary files, Pillow images, or grey arrays
    (data/pictures.py); they are resized and cropped as the model's recipe says.
    """

    def __init__(self, run: Run, *, device: str = "cpu", folder: Path | None = None) -> None:
        """`folder` is that of the run, where the facts of a model card lie; without it the card says less."""
        self.recipe = run.recipe
        self.started_from = run.started_from
        self.device = device
        self.encoder = Encoder(run, device=device)
        self._run = run
        self._folder = folder

    @property
    def dim(self) -> int:
        """The size of an embedding."""
        return self.recipe.model.embedding_size

    @property
    def scale(self) -> float:
        """1/temperature: what a cosine is multiplied with before a softmax."""
        return self.encoder.scale

    @cached_property
    def fingerprint(self) -> str:
        """A number of everything that decides an embedding: models with the same one have the same embeddings."""
        return checkpoint.fingerprint(self._run)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What scores of this run mean, as `cxr-clip calibrate` fitted it; absent where it did not."""
        return read_calibration(self._folder) if self._folder is not None else None

    @cached_property
    def reference(self) -> Reference | None:
        """Which images this model knows; absent where the run has no reference.safetensors."""
        return read_reference(self._folder) if self._folder is not None else None

    def embed_images(self, images: Sequence[ImageInput]) -> Float[Tensor, "count dim"]:
        """The embeddings of images, on the CPU, in their order.

        Raises EmbeddingInputError that names the image which cannot be read, or for one image that is not in a list.
        """
        _refuse_one(images)
        numbered = list(enumerate(images))
        return self._joined(
            self.encoder.embed_squares(squares) for squares in read_ahead(self._square, numbered, batch=BATCH)
        )

    def embed_study(
        self, images: Sequence[ImageInput], views: Sequence[View | str] | None = None
    ) -> Float[Tensor, "dim"]:
        """The embedding of a study: the mean of those of its frontal images, brought back to unit length.

        `views` are the views of the images ("pa", "ap", "frontal", "lateral", "unknown"). Without them that of a DICOM
        file is read from its header, and others are unknown. Where no image is frontal, those of unknown view count.
        Raises EmbeddingInputError where neither are there.
        """
        chosen = study_images(images, views)
        return functional.normalize(self.embed_images(chosen).sum(dim=0), dim=0)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "count dim"]:
        """The embeddings of texts (reports, sentences or prompts), on the CPU.

        Raises EmbeddingInputError for a single text that is not in a list, as its letters would be the texts, and for
        what is no text, such as the absent cells of a table.
        """
        if isinstance(texts, str):
            raise EmbeddingInputError(f"embed_texts takes a list of texts, not one text: give [{texts[:40]!r}]")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise EmbeddingInputError(
                    f"text {number} is of type {type(text).__name__}: give a str, or leave it out"
                )
        parts = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return self._joined(self.encoder.embed_sentences(part) for part in parts)

    def classify(
        self,
        images: Sequence[ImageInput],
        findings: Sequence[Question] | None = None,
        *,
        style: str | None = None,
        prompts: Path | None = None,
        abstain: bool = True,
        advance: Callable[[int, int], None] | None = None,
    ) -> tuple[Classification, ...]:
        """What the model says of findings in each image, in their order.

        `findings` are names that the prompt `style` ("standard" without one; of the package, or of the file `prompts`)
        has, sentences with a full stop, or `ZeroShotPrompt`s; absent: all of the style. With `abstain`, a picture that
        does not look like a chest X-ray is refused with the reason, and has no scores. `advance` is told how many of
        how many images are done.
        Raises EmbeddingInputError that names the image which cannot be read, PromptError for a finding without prompt.
        """
        asked = prompts_for(findings, style=style, file=prompts)
        looked = self._look(images, in_doubt=abstain, advance=advance)
        return classify_images(looked, asked, self.directions(asked), self.calibration)

    def classify_study(
        self,
        images: Sequence[ImageInput],
        findings: Sequence[Question] | None = None,
        *,
        views: Sequence[View | str] | None = None,
        name: str = "study",
        style: str | None = None,
        prompts: Path | None = None,
        abstain: bool = True,
    ) -> Classification:
        """What the model says of findings in a study, from the mean of its frontal images (see `embed_study`).

        The model abstains where one of these images does not look like a chest X-ray. Otherwise as `classify`.
        """
        asked = prompts_for(findings, style=style, file=prompts)
        chosen = study_images(images, views)
        looked = self._look(chosen, in_doubt=abstain)
        return classify_together(name, looked, asked, self.directions(asked), self.calibration)

    def see(self, number: int, image: ImageInput) -> Seen:
        """Read image `number` as the model sees it; several threads may. Raises EmbeddingInputError that names it."""
        return look(image, number, self.encoder.square, short_side=self._short_side)

    def look_at(self, batch: Sequence[Seen], *, in_doubt: bool = True) -> list[Looked]:
        """The embeddings of images that were seen, in one batch, with what speaks against each where that is asked."""
        features = self.encoder.features([seen.square for seen in batch])
        embeddings = self.encoder.embed_features(features).cpu()
        unlike = self.reference.doubts(features) if in_doubt and self.reference is not None else [()] * len(batch)
        return [
            Looked(seen.title, embedding, (*seen.doubts, *more) if in_doubt else ())
            for seen, embedding, more in zip(batch, embeddings, unlike, strict=True)
        ]

    def directions(self, prompts: Sequence[ZeroShotPrompt]) -> tuple[Direction, ...]:
        """What the embeddings of images are compared with to score each of the prompts."""
        return directions_of(self.embed_texts, prompts)

    def explain(
        self,
        image: ImageInput,
        questions: Question | Sequence[Question],
        *,
        style: str | None = None,
        prompts: Path | None = None,
        method: Method | str | None = None,
    ) -> Explanation:
        """Where in an image the score of one or several questions of `classify` comes from, in the image's own pixels.

        `method`: "parts", exact, the default for encoders that pool by the mean; or "gradient" (model/local_scores.py).
        Raises EmbeddingInputError for an image that cannot be read or a method that does not fit, else as `classify`.
        """
        listed = [questions] if isinstance(questions, str | ZeroShotPrompt) else questions
        asked = prompts_for(listed, style=style, file=prompts)
        whole = view_whole(image, self.encoder.transform, short_side=self._short_side)
        height, width = whole.picture.shape
        maps = self.maps(whole.seen, asked, height=height, width=width, method=method)
        (looked,) = self.look_at([whole.seen])
        return Explanation(looked.title, whole.picture, maps, looked.doubts)

    def maps(
        self,
        seen: Seen,
        prompts: Sequence[ZeroShotPrompt],
        *,
        height: int,
        width: int,
        method: Method | str | None = None,
    ) -> tuple[TextMap, ...]:
        """Where in an image that was seen the scores of prompts come from, drawn out to `height` x `width` pixels."""
        found, places = self.encoder.locate([seen.square], differences(self.directions(prompts)), method=method)
        square = Square(height, width, seen.height, seen.width, self.encoder.transform)
        return text_maps([one.finding for one in prompts], found, places, square)

    def similar(
        self, query: str | ImageInput, index: VectorIndex, *, top: int = 10, wanted: Wanted | None = None
    ) -> tuple[Hit, ...]:
        """The studies of an index nearest to a text (a `str`) or an image (a `Path`, or what is no `str`), best first.

        Raises SearchIndexError where the index is of another model, EmbeddingInputError for an image that is none and
        for a text that says nothing.
        """
        if isinstance(query, str) and not query.strip():
            raise EmbeddingInputError("the text to look for is empty: say what it should find")
        refuse_other_model(index, self.fingerprint)
        embedding = self.embed_texts([query]) if isinstance(query, str) else self.embed_images([query])
        return nearest_studies(index, embedding[0].numpy(), top=top, wanted=wanted)

    def save(self, folder: str | Path, *, licence: str = "other") -> None:
        """Write the model into a new folder that `cxr_clip.load` takes, with a model card and without paths of here.

        `licence` is an identifier of the hub, such as "cc-by-nc-4.0". Raises CheckpointError where the folder is not
        empty, or the run's report cannot be read.
        """
        write_model(Path(folder), self._run, gather(self.recipe, self._folder), licence=licence, source=self._folder)

    def push(self, repo_id: str, *, private: bool = True, licence: str = "other", api: HubApi | None = None) -> str:
        """Write what `save` writes to the hub as "owner/name", and return its address.

        Raises HubError where the login is missing, or the hub refuses or cannot be reached.
        """
        facts = gather(self.recipe, self._folder)
        return push_model(repo_id, self._run, facts, private=private, licence=licence, source=self._folder, api=api)

    @property
    def _short_side(self) -> int:
        return max(SHORT_SIDE, self.recipe.data.image_size)

    def _square(self, numbered: tuple[int, ImageInput]) -> NDArray[np.uint8]:
        number, image = numbered
        return self.encoder.square(as_picture(image, name=name_of(image, number), short_side=self._short_side))

    def _look(
        self, images: Sequence[ImageInput], *, in_doubt: bool, advance: Callable[[int, int], None] | None = None
    ) -> list[Looked]:
        """The embeddings of images, and what speaks against each of them where that is asked."""
        _refuse_one(images)
        looked: list[Looked] = []
        for batch in read_ahead(lambda numbered: self.see(*numbered), list(enumerate(images)), batch=BATCH):
            looked += self.look_at(batch, in_doubt=in_doubt)
            if advance is not None:
                advance(len(looked), len(images))
        return looked

    def _joined(self, parts: Iterable[Tensor]) -> Float[Tensor, "count dim"]:
        return torch.cat([torch.empty(0, self.dim), *parts])


def _refuse_one(images: object) -> None:
    if isinstance(images, str | Path | bytes | bytearray | memoryview):
        raise EmbeddingInputError("this takes a list of images, not one: give [image]")


def load(name_or_folder: str | Path, *, device: str = "auto", revision: str | None = None) -> Embedder:
    """Load the best weights of a run folder, or of a model on the hub ("owner/name", at `revision` if given).

    Device "auto" takes a GPU if there is one.

    Raises CheckpointError where the folder is not a run, is incomplete or does not fit its recipe, HubError where the
    model is not to be had, RecipeError where the device is not.
    """
    chosen = choose_device(device)
    folder = find_model(name_or_folder, revision=revision)
    return Embedder(load_run(folder), device=chosen, folder=folder)
