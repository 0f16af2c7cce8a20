"""What a run says while it goes on: metrics.jsonl for programs, TensorBoard if asked, a live line for people.

Files are written by a thread, in the order of the entries, so that no training step waits for a slow disk.
"""

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cxr_clip.background import Background
from cxr_clip.errors import MissingPackageError, TrainingError
from cxr_clip.whole_files import write_whole

if TYPE_CHECKING:
    from rich.console import Console
    from torch.utils.tensorboard import SummaryWriter

Entry = Mapping[str, object]
PLAIN_LINE_SECONDS = 20.0


class RunLog:
    """The log of one training of `total_steps` steps; a context manager that opens and closes what it draws on.

    Without a folder nothing is written: of several workers one keeps the log.
    """

    def __init__(
        self, folder: Path | None, *, total_steps: int, tensorboard: bool = False, console: "Console | None" = None
    ) -> None:
        self._path = folder / "metrics.jsonl" if folder is not None else None
        boards = folder / "tensorboard" if folder is not None and tensorboard else None
        self._new_board = partial(require_tensorboard(), str(boards)) if boards is not None else None
        self._board: SummaryWriter | None = None
        self._display = _Display(console, total_steps) if console is not None else None
        self._background = Background()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._display is not None:
            self._display.stop()
        self._background.__exit__(kind, error, _)
        if self._board is not None:
            self._board.close()

    def open_at(self, step: int) -> tuple[Entry, ...]:
        """Start, without the entries after `step` that are there: a continued run writes them again.

        Returns those that stay. Raises TrainingError where the log cannot be written.
        """
        kept: list[str] = []
        if self._path is not None and self._path.is_file():
            kept = [line for line in self._path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            try:
                write_whole(self._path, "".join(f"{line}\n" for line in kept))
            except OSError as error:
                raise _unwritable(self._path, error) from error
        if self._new_board is not None:
            self._board = self._new_board(purge_step=step + 1)
        if self._display is not None:
            self._display.start(step)
        return tuple(json.loads(line) for line in kept)

    def training(self, step: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Log a training step."""
        self._write("train", step, epoch, figures)
        if self._display is not None:
            self._display.show(step, epoch, figures)

    def validation(self, step: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Log a validation."""
        self._write("validate", step, epoch, figures)
        if self._display is not None:
            self._display.say(f"epoch {epoch:.1f}  validation " + _in_words(figures))

    def warning(self, step: int, epoch: float, *, signature: str, says: str, advice: str) -> None:
        """Log that a training shows the signature of a failure: what is seen, and what to try."""
        self._write("warning", step, epoch, {"signature": signature, "says": says, "advice": advice})
        if self._display is not None:
            self._display.say(f"epoch {epoch:.1f}  warning: {says}. Try: {advice}.")

    def end(self, step: int, epoch: float, seconds: Mapping[str, float]) -> None:
        """Log what the time since `open_at` went into."""
        self._write("time", step, epoch, seconds)

    def wait(self) -> None:
        """Return when every entry is in its files. Raises TrainingError where one could not be written."""
        self._background.wait()

    def _write(self, kind: str, step: int, epoch: float, figures: Mapping[str, float] | Mapping[str, str]) -> None:
        if self._path is not None:
            self._background.submit(partial(self._append, self._path, kind, step, epoch, dict(figures)))

    def _append(self, path: Path, kind: str, step: int, epoch: float, figures: Mapping[str, float | str]) -> None:
        entry = {"step": step, "epoch": round(epoch, 4), "kind": kind, **figures}
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise _unwritable(path, error) from error
        if self._board is not None:
            for name, value in figures.items():
                add = self._board.add_text if isinstance(value, str) else self._board.add_scalar
                add(f"{kind}/{name}", value, step)


def _unwritable(path: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"{path} cannot be written ({error}): make room there, or mend its permissions, and give the same command "
        "again, which continues from the last checkpoint"
    )


class _Display:
    """A live bar on a terminal, else a plain line now and then."""

    def __init__(self, console: "Console", total_steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._total = total_steps
        self._spoken = 0.0
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def start(self, step: int) -> None:
        self._task = self._progress.add_task("", total=self._total, completed=step)
        self._progress.start()

    def show(self, step: int, epoch: float, figures: Mapping[str, float]) -> None:
        words = _in_words(figures)
        self._progress.update(self._task, completed=step, description=words)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken > PLAIN_LINE_SECONDS:
            self._spoken = now
            self.say(f"step {step}/{self._total}  epoch {epoch:.1f}  {words}")

    def say(self, words: str) -> None:
        self._console.print(words, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        self._progress.stop()


def _in_words(figures: Mapping[str, float]) -> str:
    """The figures that people watch, short."""
    shown = {
        "loss": "loss {:.3f}",
        "image_text": "image-text {:.3f}",
        "image_image": "image-image {:.3f}",
        "text_text": "text-text {:.3f}",
        "hard_negative": "hard negatives {:.3f}",
        "scale": "scale {:.1f}",
        "images_per_second": "{:.0f} images/s",
        "recall_at_1": "R@1 {:.3f}",
        "recall_at_10": "R@10 {:.3f}",
        "auroc": "AUROC {:.3f}",
        "median_rank": "median rank {:.0f}",
    }
    return "  ".join(form.format(figures[name]) for name, form in shown.items() if name in figures)


def _step_of(line: str) -> float:
    """The step of a line; one that was cut by a stop counts as later than all."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def require_tensorboard() -> "type[SummaryWriter]":
    """What writes for TensorBoard; raises MissingPackageError where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError(
            'log.tensorboard needs a package: pip install "cxr-clip[tensorboard]", or set log.tensorboard=false'
        ) from error
    return SummaryWriter
