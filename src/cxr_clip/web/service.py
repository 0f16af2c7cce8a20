"""What the interface is asked, answered by one model: pictures are read in threads, the model works in one.

Nothing of a request outlives it: no upload, no text, no embedding.
"""

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from cxr_clip.classify import Classification, Looked, Question, classify_images, classify_together, prompts_for
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.directions import Direction
from cxr_clip.embed import Embedder
from cxr_clip.errors import CxrClipError, ServeError
from cxr_clip.explain import TextMap
from cxr_clip.looking import Seen
from cxr_clip.search.folder_index import FolderIndex
from cxr_clip.search.nearest import refuse_other_model
from cxr_clip.search.vector_index import Wanted
from cxr_clip.study import views_in_use
from cxr_clip.web import answers
from cxr_clip.web.batcher import Batcher
from cxr_clip.web.indexed_pictures import IndexedPictures
from cxr_clip.web.limits import Limits
from cxr_clip.web.reading import Upload, read_for_display, read_upload
from cxr_clip.web.refusals import BAD_VALUES, RefusalError
from cxr_clip.web.searching import Searching
from cxr_clip.web.threads import all_of, in_thread

NOTICE = "Research only, not a medical device."
# The longest side of the grid of a map.
GRID = 224
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Served:
    """What a server is started with; `pictures` has images of `index`."""

    name: str
    model: Embedder
    index: FolderIndex | None = None
    pictures: IndexedPictures | None = None


def open_served(name: str, model: Embedder, index: Path | None, data: Sequence[Path]) -> Served:
    """Open an index and the folders with its pictures.

    Raises SearchIndexError where the index is none or of another model, ManifestError, ServeError.
    """
    if data and index is None:
        raise ServeError("--data has no effect without --index: its images are shown beside what a search finds")
    opened = FolderIndex(index) if index is not None else None
    if opened is not None:
        refuse_other_model(opened, model.fingerprint)
    return Served(name, model, opened, IndexedPictures(data) if data else None)


class Service:
    """The answers of one server; made where its event loop runs, and closed there."""

    def __init__(self, served: Served, limits: Limits, *, batched: Callable[[int], None] = lambda _: None) -> None:
        """`batched` is told how many images went through the encoder together."""
        self.served, self.limits, self.model = served, limits, served.model
        self._readers = ThreadPoolExecutor(limits.threads, "cxr-clip reader")
        self._worker = ThreadPoolExecutor(1, "cxr-clip model")
        self.searching = Searching(served.index, served.pictures)
        self._look = Batcher[Seen, Looked](
            self.model.look_at, self._worker, most=limits.batch, wait=limits.wait, told=batched
        )
        self._known = prompts_for()
        self.facts = self._facts()
        self._directions = dict(zip(self._known, self.model.directions(self._known), strict=True))

    def close(self) -> None:
        """End the threads."""
        self.searching.close()
        for executor in (self._readers, self._worker):
            executor.shutdown(cancel_futures=True)

    def _facts(self) -> answers.ModelFacts:
        """What the model is, and what can be asked."""
        served, model = self.served, self.model
        names = answers.LimitFacts.model_fields
        return answers.ModelFacts(
            name=served.name,
            title=model.recipe.name,
            findings=tuple(answers.AskedFinding(**vars(one)) for one in self._known),
            calibrated=model.calibration is not None,
            abstains=model.reference is not None,
            index=self.searching.contents,
            limits=answers.LimitFacts(**{name: getattr(self.limits, name) for name in names}),
            notice=NOTICE,
        )

    async def classify(self, images: Sequence[bytes], findings: Sequence[Question] | None) -> answers.Classified:
        """What is said of findings in all images together and in each. Raises RefusalError."""
        asked = _prompts(findings)
        uploads = await self._read(images)
        looked = await all_of(self._look(one.seen) for one in uploads)
        directions = await self._of_model(self._directions_of, asked)
        each = classify_images(looked, asked, directions, self.model.calibration)
        used = views_in_use([one.view for one in uploads])
        study = (
            classify_together("study", [looked[number] for number in used], asked, directions, self.model.calibration)
            if used
            else Classification("study", len(looked), (), ("none of its images is frontal",))
        )
        told = answers.ClassificationAnswer.of
        return answers.Classified(study=told(study), images=tuple(map(told, each)))

    async def explain(self, image: bytes, sentences: Sequence[ZeroShotPrompt]) -> answers.Explained:
        """Where in an image sentences are supported. Raises RefusalError."""
        asked = _prompts(sentences)
        (upload,) = await self._read([image])
        seen = upload.seen
        doubts = (await self._look(seen)).doubts
        height, width = _grid(seen.height, seen.width)
        maps: tuple[TextMap, ...] = ()
        if not doubts:
            maps = await self._of_model(partial(self.model.maps, seen, asked, height=height, width=width))
        return answers.Explained(height=height, width=width, abstained=doubts, texts=tuple(map(_map_answer, maps)))

    async def picture(self, image: bytes) -> tuple[bytes, dict[str, str]]:
        """The values of a picture for a display, and what they mean, as headers. Raises RefusalError."""
        read = partial(read_for_display, image, pixels=self.limits.pixels)
        deep = await in_thread(self._readers, read)
        rows, columns = deep.values.shape
        said = {"Rows": rows, "Columns": columns, "Window-Center": deep.centre, "Window-Width": deep.width}
        headers = {f"X-{name}": f"{value:.10g}" for name, value in {**said, "Bits": deep.bits}.items()}
        return deep.values.astype("<u2").tobytes(), headers

    async def search(self, query: str | bytes, wanted: Wanted, *, top: int) -> answers.Found:
        """The studies nearest to a text or an image. Raises RefusalError."""
        self.searching.index()
        if isinstance(query, str):
            (embedding,) = await self._of_model(self.model.embed_texts, [query])
        else:
            (upload,) = await self._read([query])
            embedding = (await self._look(upload.seen)).embedding
        return await self.searching.nearest(embedding.numpy(), wanted, top=top)

    async def _read(self, images: Sequence[bytes]) -> list[Upload]:
        reads = (
            partial(read_upload, data, number, self.model.see, pixels=self.limits.pixels)
            for number, data in enumerate(images)
        )
        return await all_of(in_thread(self._readers, read) for read in reads)

    async def _of_model(self, work: Callable[..., Value], *arguments: object) -> Value:
        return await in_thread(self._worker, partial(work, *arguments))

    def _directions_of(self, asked: Sequence[ZeroShotPrompt]) -> list[Direction]:
        """Those of the project's own prompts are kept, of others nothing is."""
        fresh = [one for one in asked if one not in self._directions]
        made = dict(zip(fresh, self.model.directions(fresh), strict=True)) if fresh else {}
        return [made[one] if one in made else self._directions[one] for one in asked]


def _prompts(findings: Sequence[Question] | None) -> tuple[ZeroShotPrompt, ...]:
    try:
        return prompts_for(findings)
    except CxrClipError as error:
        raise RefusalError(BAD_VALUES, str(error)) from error


def _grid(height: int, width: int) -> tuple[int, int]:
    """The sides of a grid over a picture."""
    scale = min(1.0, GRID / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _map_answer(one: TextMap) -> answers.MapAnswer:
    height, width = one.values.shape
    row, column = one.peak
    return answers.MapAnswer(
        text=one.text,
        score=one.score,
        peak=answers.Peak(x=(column + 0.5) / width, y=(row + 0.5) / height),
        map=base64.b64encode(one.values.astype("<f4").tobytes()).decode("ascii"),
        low=float(np.nanmin(one.values)),
        high=float(np.nanmax(one.values)),
    )
