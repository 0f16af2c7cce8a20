"""What the interface is asked, answered by one model: pictures are read in threads, the model works in one.

Nothing of a request outlives it: no upload, no text, no embedding.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import numpy as np

from cxr_clip.classify import Classification, Looked, Question, classify_images, classify_together, prompts_for
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.directions import Direction
from cxr_clip.embed import Embedder
from cxr_clip.errors import CxrClipError, ServeError
from cxr_clip.explain import TextMap
from cxr_clip.looking import Seen
from cxr_clip.search.folder_index import FolderIndex
from cxr_clip.search.nearest import nearest_studies, refuse_other_model
from cxr_clip.search.vector_index import Wanted
from cxr_clip.study import views_in_use
from cxr_clip.web import answers
from cxr_clip.web.batcher import Batcher
from cxr_clip.web.indexed_pictures import IndexedPictures
from cxr_clip.web.limits import Limits
from cxr_clip.web.reading import Upload, read_for_display, read_upload
from cxr_clip.web.refusals import ABSENT, BAD_VALUES, RefusalError

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
        self._searcher = ThreadPoolExecutor(1, "cxr-clip search")
        self._look = Batcher[Seen, Looked](
            self.model.look_at, self._worker, most=limits.batch, wait=limits.wait, told=batched
        )
        self._known = prompts_for()
        self.facts = self._facts()
        self._directions = dict(zip(self._known, self.model.directions(self._known), strict=True))

    def close(self) -> None:
        """End the threads."""
        for executor in (self._readers, self._worker, self._searcher):
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
            index=served.index.contents if served.index is not None else None,
            limits=answers.LimitFacts(**{name: getattr(self.limits, name) for name in names}),
            notice=NOTICE,
        )

    async def classify(self, images: Sequence[bytes], findings: Sequence[Question] | None) -> answers.Classified:
        """What is said of findings in all images together and in each. Raises RefusalError."""
        asked = _prompts(findings)
        uploads = await self._read(images)
        looked = await _together(self._look(one.seen) for one in uploads)
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
        deep = await _in(self._readers, read)
        rows, columns = deep.values.shape
        said = {"Rows": rows, "Columns": columns, "Window-Center": deep.centre, "Window-Width": deep.width}
        headers = {f"X-{name}": f"{value:.10g}" for name, value in {**said, "Bits": deep.bits}.items()}
        return deep.values.astype("<u2").tobytes(), headers

    async def search(self, query: str | bytes, wanted: Wanted, *, top: int) -> answers.Found:
        """The studies nearest to a text or an image. Raises RefusalError."""
        index = self._index()
        if isinstance(query, str):
            (embedding,) = await self._of_model(self.model.embed_texts, [query])
        else:
            (upload,) = await self._read([query])
            embedding = (await self._look(upload.seen)).embedding
        return await self._nearest(index, embedding.numpy, wanted, top=top)

    async def search_like(self, study: str, wanted: Wanted, *, top: int) -> answers.Found:
        """The studies nearest to one of the index. Raises RefusalError."""
        index = self._index()
        return await self._nearest(index, lambda: _embedding_of(index, study), wanted, top=top)

    async def indexed(self, row_id: str) -> bytes:
        """The PNG of an image of the index. Raises RefusalError where there is none."""
        data = await _in(self._searcher, partial(self._png, row_id))
        if data is None:
            raise RefusalError(ABSENT, "there is no picture of this id here: take an address that a search gave")
        return data

    def _index(self) -> FolderIndex:
        if self.served.index is None:
            raise RefusalError(ABSENT, "this server has no index: start it with --index INDEX")
        return self.served.index

    async def _nearest(
        self, index: FolderIndex, query: Callable[[], np.ndarray], wanted: Wanted, *, top: int
    ) -> answers.Found:
        hits = await _in(self._searcher, lambda: nearest_studies(index, query(), top=top, wanted=wanted))
        told = [
            answers.HitAnswer.of(hit, rank=rank, picture=self._address(hit.id))
            for rank, hit in enumerate(hits, start=1)
        ]
        return answers.Found(hits=tuple(told))

    def _address(self, row_id: str) -> str | None:
        pictures = self.served.pictures
        return f"/api/indexed/{quote(row_id, safe='')}" if pictures is not None and pictures.has(row_id) else None

    def _png(self, row_id: str) -> bytes | None:
        index, pictures = self.served.index, self.served.pictures
        if index is None or pictures is None or not index.has(row_id):
            return None
        return pictures.png(row_id)

    async def _read(self, images: Sequence[bytes]) -> list[Upload]:
        reads = (
            partial(read_upload, data, number, self.model.see, pixels=self.limits.pixels)
            for number, data in enumerate(images)
        )
        return await _together(_in(self._readers, read) for read in reads)

    async def _of_model(self, work: Callable[..., Value], *arguments: object) -> Value:
        return await _in(self._worker, partial(work, *arguments))

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


def _embedding_of(index: FolderIndex, study: str) -> np.ndarray:
    if not index.has_images_of(study):
        raise RefusalError(ABSENT, "there is no image of this study in the index: give a study that a search found")
    return index.embedding_of(study)


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


async def _in(executor: Executor, work: Callable[[], Value]) -> Value:
    return await asyncio.get_running_loop().run_in_executor(executor, work)


async def _together(awaitables: Iterable[Awaitable[Value]]) -> list[Value]:
    """All results in their order; where one fails, nobody waits for the others."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
