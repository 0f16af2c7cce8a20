"""From drafts of studies to a prepared folder: shards, manifest, list of rejections, summary."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from cxr_clip.data.manifest import FILE_NAME, ManifestWriter
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.errors import SourceError
from cxr_clip.prepare.decode import Decoded, Decoder
from cxr_clip.prepare.journal import Journal, Part, digest, identity, require_same, write_atomically
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.study import Study

__all__ = ["PrepareOptions", "PrepareSummary", "Progress", "RawSource", "Rejection", "run_pipeline"]


def run_pipeline(
    source: RawSource, out: Path, options: PrepareOptions, *, progress: Progress | None = None
) -> PrepareSummary:
    """Decode, store and list all studies of a source; continue where an earlier run of the same call stopped.

    The result does not depend on the number of processes, nor on how often the run was stopped. The manifest
    is the last file to be written. Raises SourceError if the folder holds something else, if the raw data changed
    between two runs, or if no study is usable.
    """
    start = time.monotonic()
    chunks = _chunks(_first(source.drafts, options.limit), options.studies_per_shard)
    if (out / FILE_NAME).is_file():
        return _finished_before(source.name, out, options, [digest(chunk, source.raw) for chunk in chunks])
    journal = Journal(out)
    journal.begin(source.name, options)
    bar = _Bar(progress, total=min(source.total, options.limit or source.total))
    parts: list[Part] = []
    with Decoder(source.raw, short_side=options.short_side, processes=options.processes) as decoder:
        for number, chunk in enumerate(chunks):
            part = journal.read(number)
            fingerprint = digest(chunk, source.raw)
            if part is None:
                part = _write_part(journal, out, number, bar.watch(chunk, decoder))
                part = replace(part, digest=fingerprint, rejections=(*_rejections(chunk), *part.rejections))
                journal.write(number, part)
            elif part.digest != fingerprint:
                raise _changed(out)
            bar.move_to((number + 1) * options.studies_per_shard)
            parts.append(part)
    return _finish(source, out, options, parts, start=start)


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

    def watch(self, chunk: Sequence[Study | Rejection], decoder: Decoder) -> Iterator[Decoded]:
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


def _chunks(drafts: Iterable[Study | Rejection], size: int) -> Iterator[tuple[Study | Rejection, ...]]:
    iterator = iter(drafts)
    while chunk := tuple(islice(iterator, size)):
        yield chunk


def _rejections(chunk: Sequence[Study | Rejection]) -> list[Rejection]:
    return [draft for draft in chunk if isinstance(draft, Rejection)]


def _shard(number: int) -> str:
    return f"shards/images-{number:05d}.tar"


def _write_part(journal: Journal, out: Path, number: int, decoded: Iterable[Decoded]) -> Part:
    """Write one shard and the table of its studies; the part lacks its digest yet."""
    rejections: list[Rejection] = []
    splits: Counter[str] = Counter()
    images = 0
    with ShardWriter(out, _shard(number)) as shard, ManifestWriter(journal.table(number)) as table:
        for item in decoded:
            rejections.extend(item.rejections)
            if not item.pictures:
                continue
            table.write(_stored(item, shard))
            splits[item.study.split.value] += 1
            images += len(item.pictures)
    return Part(digest="", studies=splits.total(), images=images, splits=dict(splits), rejections=tuple(rejections))


def _stored(decoded: Decoded, shard: ShardWriter) -> Study:
    """Put the pictures of a study into the shard and note their places."""
    study = decoded.study
    images = tuple(
        replace(image, stored=shard.add(member_name(study.id, number, picture.suffix), picture.data))
        for number, (image, picture) in enumerate(zip(study.images, decoded.pictures, strict=True))
    )
    return replace(study, images=images)


def _finish(
    source: RawSource, out: Path, options: PrepareOptions, parts: Sequence[Part], *, start: float
) -> PrepareSummary:
    """Join the parts; the manifest comes last, because its presence says that all is done."""
    journal = Journal(out)
    rejections = [rejection for part in parts for rejection in part.rejections]
    lines = "".join(json.dumps(asdict(rejection), ensure_ascii=False) + "\n" for rejection in rejections)
    write_atomically(out / "rejected.jsonl", lines)
    if source.absent:
        write_atomically(out / "absent.txt", "\n".join(source.absent) + "\n")
    else:
        (out / "absent.txt").unlink(missing_ok=True)
    summary = _summary(source, parts, rejections, seconds=time.monotonic() - start)
    if summary.studies == 0:
        _forget(out, parts)
        common = ", ".join(f"{reason} ({count})" for reason, count in list(summary.rejected.items())[:3])
        raise SourceError(
            f"{source.raw} has no usable study: {common or 'it lists none'}; see {out / 'rejected.jsonl'}"
        )
    note = {**asdict(summary), "run": identity(source.name, options), "digests": [part.digest for part in parts]}
    write_atomically(out / "summary.json", json.dumps(note, indent=2) + "\n")
    with ManifestWriter(out / FILE_NAME) as writer:
        for number in range(len(parts)):
            writer.write_table(pq.read_table(journal.table(number)))
    journal.remove()
    return summary


def _forget(out: Path, parts: Sequence[Part]) -> None:
    """Remove the journal and the empty shards of a run without a study, so that the next one starts anew."""
    Journal(out).remove()
    for number in range(len(parts)):
        (out / _shard(number)).unlink(missing_ok=True)


def _summary(
    source: RawSource, parts: Sequence[Part], rejections: Sequence[Rejection], *, seconds: float
) -> PrepareSummary:
    splits: Counter[str] = Counter()
    for part in parts:
        splits.update(part.splits)
    return PrepareSummary(
        source=source.name,
        studies=splits.total(),
        images=sum(part.images for part in parts),
        splits=dict(sorted(splits.items())),
        rejected=dict(Counter(f"{rejection.kind}: {rejection.reason}" for rejection in rejections).most_common()),
        absent_images=len(source.absent),
        remarks=source.remarks,
        seconds=round(seconds, 2),
    )


def _finished_before(source: str, out: Path, options: PrepareOptions, digests: list[str]) -> PrepareSummary:
    """The summary of the run that finished; raises SourceError if it was another one."""
    file = out / "summary.json"
    if not file.is_file():
        raise SourceError(f"{out} holds a manifest but no summary.json: choose another folder or delete this one")
    note = json.loads(file.read_text("utf-8"))
    require_same(note.pop("run"), identity(source, options), out)
    if note.pop("digests") != digests:
        raise _changed(out)
    Journal(out).remove()
    return PrepareSummary(**{**note, "seconds": 0.0, "nothing_to_do": True})


def _changed(out: Path) -> SourceError:
    return SourceError(
        f"the raw data (texts, tables or the sizes of images) changed since {out} was begun: "
        "choose another folder or delete this one"
    )
