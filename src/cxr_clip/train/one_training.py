"""One training at a time in a run folder: a job that was queued again must not write beside the first one."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_clip.errors import TrainingError

LOCK = "training.lock"


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which ends with its process; a disk without locks counts as free.

    Raises TrainingError where another process trains there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        try:
            # A lock of this process: loader processes that are forked off and outlive it for seconds do not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise TrainingError(
                    f"another process trains in {folder}: wait until it has ended, or name another folder"
                ) from error
        yield


def unwritable(folder: Path, error: OSError) -> TrainingError:
    """What to raise where something in a run folder cannot be made."""
    return TrainingError(
        f"the run folder {folder} cannot be written ({error}): make room there, mend its permissions, or name another "
        "folder"
    )
