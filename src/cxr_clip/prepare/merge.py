"""The shares that several machines made become one prepared folder, the same as a single run's."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from cxr_clip.data.manifest import FILE_NAME
from cxr_clip.errors import SourceError
from cxr_clip.prepare.finish import finish, finished_before
from cxr_clip.prepare.journal import Journal, Part, shard
from cxr_clip.prepare.records import PrepareSummary, Progress
from cxr_clip.prepare.shares import FinishedShare, read_share


def merge_shares(out: Path, folders: Sequence[Path], *, progress: Progress | None = None) -> PrepareSummary:
    """Merge all shares of one data set into `out`; the shares stay as they are.

    Shards are linked where the file system can, else copied. A merge that was stopped continues; `progress` hears how
    many shards are there.

    Raises SourceError if a share is absent, comes twice, is not whole, or was made of other data or settings than
    the first, and if `out` holds something else.
    """
    start = time.monotonic()
    shares = _in_order([read_share(folder) for folder in folders])
    if out.resolve() in {share.folder.resolve() for share in shares}:
        raise SourceError(f"{out} holds one of the shares: merge them into a folder of its own")
    first = shares[0]
    count = len(first.texts)
    origins = [shares[number % len(shares)].folder for number in range(count)]
    parts = [_read_part(origin, number) for number, origin in enumerate(origins)]
    if (out / FILE_NAME).is_file():
        return finished_before(out, first.run, [part.digest for part in parts])
    Journal(out).begin(first.run)
    for number, (origin, part) in enumerate(zip(origins, parts, strict=True)):
        _adopt(out, origin, number, part)
        if progress is not None:
            progress(number + 1, count)
    return finish(out, first.run, first.listing, parts, start=start)


def _in_order(shares: Sequence[FinishedShare]) -> list[FinishedShare]:
    """The shares by number, each exactly once, all of the same data."""
    if not shares:
        raise SourceError("there is no share to merge: name the folders of all of them")
    first = shares[0]
    for share in shares[1:]:
        if share.run != first.run or share.share.of != first.share.of:
            raise SourceError(
                f"{share.folder} holds share {share.share} of {_words(share)}, {first.folder} share {first.share} of "
                f"{_words(first)}: merge shares of one data set, prepared with the same settings"
            )
        if share.agrees_on != first.agrees_on:
            raise SourceError(
                f"{share.folder} was made of other raw data (texts or tables) than {first.folder}: "
                "prepare one of them again"
            )
    by_number = {share.share.number: share for share in shares}
    absent = [f"{number}/{first.share.of}" for number in range(1, first.share.of + 1) if number not in by_number]
    if absent:
        raise SourceError(f"the share {', '.join(absent)} is absent: name the folders of all {first.share.of} shares")
    if len(by_number) < len(shares):
        twice = next(share for share in shares if by_number[share.share.number] is not share)
        raise SourceError(f"the share {twice.share} comes twice, in {twice.folder} too: name each share once")
    return [by_number[number] for number in sorted(by_number)]


def _words(share: FinishedShare) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in share.run.items() if name not in ("source", "share"))
    return f"{share.listing.source} ({settings})"


def _read_part(folder: Path, number: int) -> Part:
    part = Journal(folder).read(number)
    if part is None or not (folder / shard(number)).is_file():
        raise SourceError(f"{folder} lacks shard {number} of its share: bring it back, or prepare the share again")
    return part


def _adopt(out: Path, origin: Path, number: int, part: Part) -> None:
    """Bring one shard, its table and its note over, the note last."""
    journal = Journal(out)
    if journal.read(number) == part:
        return
    _bring(origin / shard(number), out / shard(number))
    _bring(Journal(origin).table(number), journal.table(number))
    journal.write(number, part)


def _bring(file: Path, to: Path) -> None:
    """Link a file, which nobody will change, or copy it where that cannot be; it is there whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f"{to.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(file, partial)
    except OSError:
        shutil.copyfile(file, partial)
    partial.replace(to)
