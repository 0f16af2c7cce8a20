"""The end of a preparation: the list of rejections, the summary, and last of all the manifest."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from cxr_clip.data.manifest import FILE_NAME, ManifestWriter
from cxr_clip.errors import SourceError
from cxr_clip.prepare.journal import Identity, Journal, Part, provenance_of_run, require_same, shard
from cxr_clip.prepare.records import PrepareSummary, Rejection
from cxr_clip.whole_files import write_whole


@dataclass(frozen=True)
class Listing:
    """What a source says beside its drafts: its name, the images that it lists and lacks, its remarks."""

    source: str
    absent: tuple[str, ...]
    remarks: Mapping[str, int]


def finish(out: Path, run: Identity, listing: Listing, parts: Sequence[Part], *, start: float) -> PrepareSummary:
    """Join the parts; the manifest comes last, because its presence says that all is done.

    Raises SourceError if no study is usable; the next run then starts anew.
    """
    write_rejections(out, parts)
    if listing.absent:
        write_whole(out / "absent.txt", "\n".join(listing.absent) + "\n")
    else:
        (out / "absent.txt").unlink(missing_ok=True)
    summary = summarise(listing, parts, start=start)
    if summary.studies == 0:
        _forget(out, parts)
        common = ", ".join(f"{reason} ({count})" for reason, count in list(summary.rejected.items())[:3])
        raise SourceError(
            f"{listing.source} has no usable study: {common or 'it lists none'}; see {out / 'rejected.jsonl'}"
        )
    note = {**asdict(summary), "run": run, "digests": [part.digest for part in parts]}
    write_whole(out / "summary.json", json.dumps(note, indent=2) + "\n")
    journal = Journal(out)
    tables = (pq.read_table(journal.table(number)) for number in range(len(parts)))
    with ManifestWriter(out / FILE_NAME, provenance_of_run(run)) as writer:
        for table in tables:
            writer.write_table(table)
    journal.remove()
    return summary


def finished_before(out: Path, run: Identity, digests: Sequence[str]) -> PrepareSummary:
    """The summary of the run that finished; raises SourceError if it was another one."""
    file = out / "summary.json"
    if not file.is_file():
        raise SourceError(f"{out} holds a manifest but no summary.json: choose another folder or delete this one")
    note = json.loads(file.read_text("utf-8"))
    require_same(note.pop("run"), run, out)
    if note.pop("digests") != list(digests):
        raise changed(out)
    Journal(out).remove()
    return PrepareSummary(**{**note, "seconds": 0.0, "nothing_to_do": True})


def summarise(listing: Listing, parts: Sequence[Part], *, start: float) -> PrepareSummary:
    """The counts over all parts; `start` is when the run began, by the monotonic clock."""
    splits: Counter[str] = Counter()
    for part in parts:
        splits.update(part.splits)
    reasons = Counter(f"{rejection.kind}: {rejection.reason}" for rejection in _rejections(parts))
    return PrepareSummary(
        source=listing.source,
        studies=splits.total(),
        images=sum(part.images for part in parts),
        splits=dict(sorted(splits.items())),
        rejected=dict(reasons.most_common()),
        absent_images=len(listing.absent),
        remarks=dict(listing.remarks),
        seconds=round(time.monotonic() - start, 2),
    )


def write_rejections(out: Path, parts: Sequence[Part]) -> None:
    """Write rejected.jsonl: a line for each thing that was left out, in the order of the source."""
    lines = (json.dumps(asdict(rejection), ensure_ascii=False) + "\n" for rejection in _rejections(parts))
    write_whole(out / "rejected.jsonl", "".join(lines))


def changed(out: Path) -> SourceError:
    """The error for drafts that are no longer those which a folder was begun with."""
    return SourceError(
        f"the raw data (texts, tables or the sizes of images) changed since {out} was begun, or another version of "
        "this program began it and reads them otherwise: choose another folder or delete this one"
    )


def _rejections(parts: Sequence[Part]) -> list[Rejection]:
    return [rejection for part in parts for rejection in part.rejections]


def _forget(out: Path, parts: Sequence[Part]) -> None:
    """Remove the journal and the empty shards of a run without a study, so that the next one starts anew."""
    Journal(out).remove()
    for number in range(len(parts)):
        (out / shard(number)).unlink(missing_ok=True)
