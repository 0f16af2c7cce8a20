"""One machine's share of a preparation: every n-th shard, and a note of what all shares must agree on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cxr_clip.errors import SourceError
from cxr_clip.prepare.finish import Listing, changed, summarise, write_rejections
from cxr_clip.prepare.journal import Identity, Journal, Part
from cxr_clip.prepare.records import PrepareSummary, Share
from cxr_clip.whole_files import write_whole

_NOTE = "share.json"


@dataclass(frozen=True)
class FinishedShare:
    """A share that is whole: whose run it is, what the source said, and a digest of each shard's drafts.

    `texts` has an entry for every shard of the data set, those of other shares too. `run` is the identity of the run
    that all shares together make.
    """

    folder: Path
    share: Share
    run: Identity
    listing: Listing
    texts: tuple[str, ...]

    @property
    def agrees_on(self) -> tuple[object, ...]:
        """What all shares of one data set have in common."""
        return self.run, self.share.of, self.texts, self.listing


def finish_share(
    out: Path, listing: Listing, texts: tuple[str, ...], parts: Sequence[Part], *, start: float
) -> PrepareSummary:
    """Declare a share whole. Raises SourceError if it was before, with other drafts in the shares of others."""
    summary = summarise(listing, parts, start=start)
    if (out / _NOTE).is_file():
        if read_share(out).texts != texts:
            raise changed(out)
        return replace(summary, nothing_to_do=True)
    write_rejections(out, parts)
    note = {"listing": asdict(listing), "texts": texts}
    write_whole(out / _NOTE, json.dumps(note, indent=2) + "\n")
    return summary


def read_share(folder: Path) -> FinishedShare:
    """Read the note of a share. Raises SourceError if the folder holds none, or one that is not whole yet."""
    run = Journal(folder).run()
    share = None if run is None else run.get("share")
    if run is None or not isinstance(share, str):
        raise SourceError(
            f"{folder} holds no share of a preparation: make one with `cxr-clip prepare SOURCE RAW FOLDER --shard i/n`"
        )
    if not (folder / _NOTE).is_file():
        raise SourceError(
            f"the share {share} in {folder} is not whole yet: start its `cxr-clip prepare` again, it continues"
        )
    note: dict[str, Any] = json.loads((folder / _NOTE).read_text("utf-8"))
    listing = Listing(
        source=note["listing"]["source"],
        absent=tuple(note["listing"]["absent"]),
        remarks=note["listing"]["remarks"],
    )
    return FinishedShare(folder, parse_share(share), {**run, "share": None}, listing, tuple(note["texts"]))


def parse_share(text: str) -> Share:
    """Read "2/8". Raises SourceError for anything else."""
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        raise SourceError(f"the share is {text!r}; write it as 1/8, 2/8, ... or 8/8")
    return Share(int(number), int(of))
