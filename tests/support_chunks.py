"""A batch and a training in double precision for tests of chunks; as a program, the same step on several workers.

    python support_chunks.py FOLDER WORKERSxCHUNKSxTURNED...

FOLDER/2x3x1 then holds the gradients, after the mean over workers, of two workers that take their shares in three
chunks, each text with one hard negative.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from cxr_clip.distributed import Workers, replicate
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import set_dropout, text_encoder_from_architecture
from cxr_clip.tensors import Batch, HardNegatives, Tokens
from cxr_clip.train.step import learn
from cxr_clip.train.training import Training
from support_models import TEXT
from support_training import tiny_training
from support_workers import start_workers

SWIN = {
    "model_type": "swin",
    "image_size": 32,
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
    "drop_path_rate": 0.0,
}
STUDIES, STEP = 7, 5


def with_hard_negatives(batch: Batch, count: int) -> Batch:
    """The batch with `count` pairs of them for each text; every third pair is absent."""
    studies, draw = len(batch.study_ids), torch.Generator().manual_seed(1)
    texts = tuple(
        Tokens(ids=torch.randint(1, 50, (studies, 6), generator=draw), mask=torch.ones(studies, 6, dtype=torch.long))
        for _ in range(2 * count * len(batch.texts))
    )
    pairs = torch.arange(studies * len(texts)).view(studies, len(texts)) // 2
    return replace(batch, hard_negatives=HardNegatives(texts, pairs % 3 != 0)) if count else batch


def made_up_batch(studies: int = STUDIES) -> Batch:
    draw = torch.Generator().manual_seed(0)
    lengths = [torch.randint(3, 20, (studies,), generator=draw) for _ in range(2)]
    return Batch(
        images=tuple(
            torch.randint(0, 256, (studies, 1, 32, 32), generator=draw, dtype=torch.int64).to(torch.uint8)
            for _ in range(2)
        ),
        texts=tuple(
            Tokens(
                ids=torch.randint(1, 50, (studies, 20), generator=draw),
                mask=(torch.arange(20) < length[:, None]).long(),
            )
            for length in lengths
        ),
        study_ids=tuple(f"s{number}" for number in range(studies)),
    )


def exact_training(image: dict[str, object], *, dropout: float, chunks: int = 1) -> Training:
    """Double precision; the same weights for the same architecture."""
    torch.manual_seed(0)
    model = DualEncoder(
        image_encoder_from_architecture(image, pooling="mean"),
        text_encoder_from_architecture({**TEXT, "vocab_size": 50}, pooling="eos"),
        dim=6,
    ).double()
    set_dropout(model.text, dropout)
    return replace(tiny_training(), model=model.train(), chunks=chunks)


def share_of(batch: Batch, workers: Workers) -> Batch:
    own, turned = workers.share(len(batch.study_ids)), batch.hard_negatives
    return Batch(
        images=tuple(view[own] for view in batch.images),
        texts=tuple(Tokens(ids=text.ids[own], mask=text.mask[own]) for text in batch.texts),
        study_ids=batch.study_ids[own],
        hard_negatives=turned
        and HardNegatives(
            texts=tuple(Tokens(ids=text.ids[own], mask=text.mask[own]) for text in turned.texts),
            there=turned.there[own],
        ),
    )


def keep_gradients(path: Path, workers: Workers, *, chunks: int, turned: int) -> None:
    training = exact_training(SWIN, dropout=0.0, chunks=chunks)
    training = replace(training, workers=workers, replica=replicate(training.model, workers))
    learn(training, share_of(with_hard_negatives(made_up_batch(), turned), workers), STEP, lap=lambda _part: None)
    if workers.leads:
        save_file({name: value.grad for name, value in training.model.named_parameters()}, path)


def main(folder: Path, cases: list[str]) -> None:
    torch.set_num_threads(1)
    exact_training(SWIN, dropout=0.0)  # what it imports, the workers need not import again
    for case in cases:
        count, chunks, turned = map(int, case.split("x"))
        keep = partial(keep_gradients, folder / case, chunks=chunks, turned=turned)
        ended = start_workers(count, keep)
        assert ended == [0] * count


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
