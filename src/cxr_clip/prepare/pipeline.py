"""From drafts of studies to a prepared folder, shard by shard; or to one machine's share of it, to be merged."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from cxr_clip.data.images import StoredPicture
from cxr_clip.data.labeller import with_labels
from cxr_clip.data.manifest import FILE_NAME, ManifestWriter
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.errors import SourceError
from cxr_clip.prepare.decode import Decoded, Decoder
from cxr_clip.prepare.finish import Listing, changed, finish, finished_before
from cxr_clip.prepare.hashed_ids import Ids
from cxr_clip.prepare.journal import Journal, Part, digest, digest_of_texts, identity, shard
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection, Share
from cxr_clip.prepare.shares import finish_share
from cxr_clip.study import Study

__all__ = ["PrepareOptions", "PrepareSummary", "Progress", "RawSource", "Rejection", "run_pipeline"]

Chunk = tuple[Study | Rejection, ...]


def run_pipeline(
    source: RawSource, out: Path, options: PrepareOptions, *, progress: Progress | None = None
) -> PrepareSummary:
    """Decode, store and list all studies of a source; continue where an earlier run of the same call stopped.

    The result does not depend on the number of processes, nor on how often the run was stopped, nor on the number
    of shares that it was made in. The manifest is the last file to be written; a share has none until it is merged.
    Raises SourceError if the folder holds something else, if the raw data changed between two runs, or if no study
    is usable.
    """
    if options.share is not None:
        return _run_share(source, out, options, options.share, progress)
    start = time.monotonic()
    run = identity(source.name, options)
    chunks = _chunks(_first(source.drafts, options.limit), options.studies_per_shard)
    if (out / FILE_NAME).is_file():
        return finished_before(out, run, [options.ids.seal(digest(chunk, source.raw)) for chunk in chunks])
    Journal(out).begin(run)
    parts = _make_parts(source, out, options, enumerate(chunks), _Bar(progress, total=_total(source, options)))
    return finish(out, run, _listing(source, options), parts, start=start)


def _run_share(
    source: RawSource, out: Path, options: PrepareOptions, share: Share, progress: Progress | None
) -> PrepareSummary:
    """Make the shards of one share; its folder keeps what `merge` needs of them."""
    start = time.monotonic()
    if (out / FILE_NAME).is_file():
        raise SourceError(f"{out} holds a manifest already: give each share a folder of its own")
    chunks = _chunks(_first(source.drafts, options.limit), options.studies_per_shard)
    texts: list[str] = []

    def own() -> Iterator[tuple[int, Chunk]]:
        for number, chunk in enumerate(chunks):
            texts.append(options.ids.seal(digest_of_texts(chunk)))
            if share.takes(number):
                yield number, chunk

    Journal(out).begin(identity(source.name, options))
    parts = _make_parts(source, out, options, own(), _Bar(progress, total=_total(source, options)))
    return finish_share(out, _listing(source, options), tuple(texts), parts, start=start)


def _listing(source: RawSource, options: PrepareOptions) -> Listing:
    """What the source says, asked for after its last draft."""
    return Listing(source.name, tuple(map(options.ids.path, source.absent)), source.remarks)


def _make_parts(
    source: RawSource, out: Path, options: PrepareOptions, chunks: Iterable[tuple[int, Chunk]], bar: "_Bar"
) -> list[Part]:
    """Make each shard that the journal does not name; raises SourceError where it was made of other drafts."""
    journal = Journal(out)
    parts: list[Part] = []
    decoder = Decoder(
        source.raw,
        short_side=options.short_side,
        processes=options.processes,
        windowing=options.windowing,
        adapt=with_labels if options.label_reports else None,
    )
    with decoder:
        for number, chunk in chunks:
            part = journal.read(number)
            fingerprint = options.ids.seal(digest(chunk, source.raw))
            if part is None:
                part = _write_part(out, number, bar.watch(chunk, decoder), options)
                left_out = (*_rejections(chunk), *part.rejections)
                written = tuple(_as_written(rejection, options.ids) for rejection in left_out)
                part = replace(part, digest=fingerprint, rejections=written)
                journal.write(number, part)
            elif part.digest != fingerprint:
                raise changed(out)
            parts.append(part)
            bar.move_to(len(parts) * options.studies_per_shard)
    return parts


def _total(source: RawSource, options: PrepareOptions) -> int:
    """How many drafts are to be worked on."""
    total, size = min(source.total, options.limit or source.total), options.studies_per_shard
    if options.share is None:
        return total
    own = (first for number, first in enumerate(range(0, total, size)) if options.share.takes(number))
    return sum(min(size, total - first) for first in own)


class _Bar:
    """Tells the caller how far the run is."""

    def __init__(self, progress: Progress | None, *, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def move_to(self, done: int) -> None:
        self._done = min(done, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def watch(self, chunk: Chunk, decoder: Decoder) -> Iterator[Decoded]:
        """Decode the studies of a chunk, counting them."""
        for decoded in decoder.decode(draft for draft in chunk if isinstance(draft, Study)):
            yield decoded
            self.move_to(self._done + 1)


def _first(drafts: Iterable[Study | Rejection], limit: int | None) -> Iterator[Study | Rejection]:
    """The drafts up to the study whose number is the limit."""
    studies = 0
    for draft in drafts:
        yield draft
        studies += isinstance(draft, Study)
        if studies == limit:
            return


def _chunks(drafts: Iterable[Study | Rejection], size: int) -> Iterator[Chunk]:
    iterator = iter(drafts)
    while chunk := tuple(islice(iterator, size)):
        yield chunk


def _rejections(chunk: Chunk) -> list[Rejection]:
    return [draft for draft in chunk if isinstance(draft, Rejection)]


def _as_written(rejection: Rejection, ids: Ids) -> Rejection:
    """A rejection with its ids as they are written; reasons name none."""
    path = None if rejection.path is None else ids.path(rejection.path)
    study = None if rejection.study is None else ids.code(rejection.study)
    return replace(rejection, path=path, study=study)


def _write_part(out: Path, number: int, decoded: Iterable[Decoded], options: PrepareOptions) -> Part:
    """Write one shard and the table of its studies; the part lacks its digest yet, its rejections are as decoded."""
    rejections: list[Rejection] = []
    splits: Counter[str] = Counter()
    images = 0
    table = Journal(out).table(number)
    with ShardWriter(out, shard(number)) as tar, ManifestWriter(table, options.provenance) as manifest:
        for item in decoded:
            rejections.extend(item.rejections)
            if not item.pictures:
                continue
            manifest.write(_stored(options.ids.study(item.study), item.pictures, tar))
            splits[item.study.split.value] += 1
            images += len(item.pictures)
    return Part(digest="", studies=splits.total(), images=images, splits=dict(splits), rejections=tuple(rejections))


def _stored(study: Study, pictures: Sequence[StoredPicture], writer: ShardWriter) -> Study:
    """Put the pictures of a study into the shard and note their places."""
    images = tuple(
        replace(image, stored=writer.add(member_name(study.id, number, picture.suffix), picture.data))
        for number, (image, picture) in enumerate(zip(study.images, pictures, strict=True))
    )
    return replace(study, images=images)
