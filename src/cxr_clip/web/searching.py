"""What an index answers over HTTP: the nearest studies, without patients and file names, and their pictures."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from cxr_clip.search.folder_index import FolderIndex
from cxr_clip.search.nearest import nearest_studies
from cxr_clip.search.vector_index import Wanted
from cxr_clip.web.answers import Found, HitAnswer
from cxr_clip.web.indexed_pictures import IndexedPictures
from cxr_clip.web.refusals import ABSENT, RefusalError
from cxr_clip.web.threads import in_thread


class Searching:
    """The answers of an index, from one thread; without an index all are refused."""

    def __init__(self, index: FolderIndex | None, pictures: IndexedPictures | None) -> None:
        self._index, self._pictures = index, pictures
        self._thread = ThreadPoolExecutor(1, "cxr-clip search")
        self.contents = index.contents if index is not None else None

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def index(self) -> FolderIndex:
        """The index. Raises RefusalError where there is none."""
        if self._index is None:
            raise RefusalError(ABSENT, "this server has no index: start it with --index INDEX")
        return self._index

    async def nearest(self, query: NDArray[np.float32], wanted: Wanted, *, top: int) -> Found:
        """The studies nearest to a unit-length embedding. Raises RefusalError."""
        return await self._found(lambda _: query, wanted, top=top)

    async def like(self, study: str, wanted: Wanted, *, top: int) -> Found:
        """The studies nearest to one of the index. Raises RefusalError."""
        return await self._found(partial(_embedding_of, study), wanted, top=top)

    async def picture(self, row_id: str) -> bytes:
        """The PNG of an image of the index. Raises RefusalError where there is none."""
        data = await in_thread(self._thread, partial(self._png, row_id))
        if data is None:
            raise RefusalError(ABSENT, "there is no picture of this id here: take an address that a search gave")
        return data

    async def _found(self, query: Callable[[FolderIndex], NDArray[np.float32]], wanted: Wanted, *, top: int) -> Found:
        index = self.index()
        hits = await in_thread(self._thread, lambda: nearest_studies(index, query(index), top=top, wanted=wanted))
        ranked = enumerate(hits, start=1)
        return Found(hits=tuple(HitAnswer.of(hit, rank=rank, picture=self._address(hit.id)) for rank, hit in ranked))

    def _address(self, row_id: str) -> str | None:
        known = self._pictures is not None and self._pictures.has(row_id)
        return f"/api/indexed/{quote(row_id, safe='')}" if known else None

    def _png(self, row_id: str) -> bytes | None:
        if self._index is None or self._pictures is None or not self._index.has(row_id):
            return None
        return self._pictures.png(row_id)


def _embedding_of(study: str, index: FolderIndex) -> NDArray[np.float32]:
    if not index.has_images_of(study):
        raise RefusalError(ABSENT, "there is no image of this study in the index: give a study that a search found")
    return index.embedding_of(study)
