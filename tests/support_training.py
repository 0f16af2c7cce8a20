"""A whole training in miniature: real encoders, made-up pictures and reports, a few steps of milliseconds."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cxr_clip.background import THREAD
from cxr_clip.data.batching import Collate, TrainingOrder, batches, in_order
from cxr_clip.data.dataset import Part, StudyDataset, choose_images, first_images
from cxr_clip.data.transforms import TrainTransform
from cxr_clip.distributed import SINGLE, Workers, replicate
from cxr_clip.losses import LossWeights
from cxr_clip.model.batch_norm import synchronise
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import trainable_groups
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import set_dropout, text_encoder_from_architecture
from cxr_clip.model.tokeniser import tokenise, train_tokeniser
from cxr_clip.runlog import RunLog
from cxr_clip.study import ImageFile, Split, Study
from cxr_clip.tensors import Batch
from cxr_clip.train.loop import TrainResult, train
from cxr_clip.train.optim import adamw, warmup_cosine
from cxr_clip.train.training import Pace, Training
from support_models import IMAGE, SENTENCES, TEXT

STUDIES = 14
BATCH = 4
STEPS = 9


def tiny_training(
    *, initial_seed: int = 0, processes: int = 0, workers: Workers = SINGLE, exact: bool = False
) -> Training:
    """Nine steps over three epochs of 14 studies, with dropout, batch normalisation and two learning-rate factors.

    `exact`: without dropout and in double precision, so that rounding is no excuse.
    """
    tokeniser = train_tokeniser(SENTENCES, vocabulary_size=200, lowercase=True)
    torch.manual_seed(initial_seed)
    model = DualEncoder(
        image_encoder_from_architecture(IMAGE, pooling="mean"),
        text_encoder_from_architecture({**TEXT, "vocab_size": len(tokeniser)}, pooling="eos"),
        dim=12,
    )
    if exact:
        set_dropout(model.text, 0.0)
        model.double()
    if workers.count > 1:
        synchronise(model.image, workers, device="cpu")
    collate = Collate(partial(tokenise, tokeniser, max_length=48))
    training, validation = _studies("t", STUDIES), _studies("v", 6)
    load = partial(batches, collate=collate, processes=processes, pin=False)

    def batches_from(step: int) -> Iterable[Batch]:
        order = TrainingOrder(STUDIES, batch_size=BATCH, seed=3, total_steps=STEPS, start_step=step, workers=workers)
        return load(_dataset(training), order)

    return Training(
        model=model,
        optimizer=adamw(trainable_groups(model, weight_decay=0.1), learning_rate=0.01),
        learning_rate=lambda step: 0.01 * warmup_cosine(step, warmup_steps=2, total_steps=STEPS),
        weights=LossWeights(),
        batches_from=batches_from,
        validation_batches=lambda: load(_dataset(validation, fixed=True), in_order(6, BATCH, workers)),
        pace=Pace(total_steps=STEPS, steps_per_epoch=3, validate_steps=3, checkpoint_steps=2, log_steps=1),
        seed=3,
        workers=workers,
        replica=replicate(model, workers) if workers.count > 1 else None,
    )


def run(training: Training, folder: Path) -> TrainResult:
    """Train in `folder`, or continue what is there, without a display."""
    with RunLog(folder if training.workers.leads else None, total_steps=training.pace.total_steps) as log:
        return train(training, resume=folder / "resume.safetensors", weights=folder / "weights.safetensors", log=log)


def before_step(training: Training, step: int, act: Callable[[], None]) -> Training:
    """The same training, with `act` called just before the batch of `step` is handed over."""

    def batches_from(start: int) -> Iterable[Batch]:
        for number, batch in enumerate(training.batches_from(start), start=start):
            if number == step:
                act()
            yield batch

    return replace(training, batches_from=batches_from)


def stopped_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop as Ctrl-C does, after so many steps of the optimiser."""

    def stop(_optimiser: torch.optim.AdamW) -> None:
        raise KeyboardInterrupt

    after_steps(steps, stop, monkeypatch)


def after_steps(steps: int, act: Callable[[torch.optim.AdamW], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `act` happen to the optimiser, right after so many of its steps."""
    original, calls = torch.optim.AdamW.step, []

    def counted(self: torch.optim.AdamW) -> None:
        original(self)
        calls.append(1)
        if len(calls) == steps:
            act(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)


def wait_for_files() -> None:
    """Wait until what is being written in the background is written."""
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join()


def same_files(one: Path, other: Path) -> bool:
    """Whether two files hold the same tensors, bit for bit."""
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def state_of(training: Training) -> dict[str, Tensor]:
    """Everything that a training changes, by name."""
    moments = training.optimizer.state_dict()["state"]
    return training.model.state_dict() | {
        f"{number}.{name}": value for number, values in moments.items() for name, value in values.items()
    }


def _studies(prefix: str, count: int) -> list[Study]:
    return [
        Study(
            id=f"{prefix}{number}",
            patient=f"{prefix}{number}",
            source="made up",
            split=Split.TRAIN,
            images=tuple(ImageFile(path=f"{number}{side}") for side in range(1 + number % 2)),
        )
        for number in range(count)
    ]


def _dataset(studies: list[Study], *, fixed: bool = False) -> StudyDataset:
    part = Part(studies=studies, read_image=_picture, texts=_first_texts if fixed else _texts)
    transform = _as_stored if fixed else TrainTransform(32)
    return StudyDataset([part], choose=first_images if fixed else choose_images, transform=transform, images=2, seed=3)


def _picture(image: ImageFile) -> np.ndarray:
    return np.random.default_rng(int(image.path)).integers(0, 256, (32, 32), dtype=np.uint8)


def _as_stored(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return image


def _texts(_study: Study, rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(" ".join(rng.permutation(SENTENCES)[: rng.integers(1, 4)]) for _ in range(2))


def _first_texts(study: Study, _rng: np.random.Generator) -> tuple[str, ...]:
    number = int(study.id[1:])
    return SENTENCES[number % 3], SENTENCES[3]
