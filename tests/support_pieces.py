"""A step of two workers that is differentiated in pieces, as a program: its gradients are those of the step as a whole.

    python support_pieces.py

Pieces send their gradients once, with the last of them (`distributed.keeping_gradients`).
"""

import torch
from torch import Tensor

from cxr_clip.distributed import Workers, keeping_gradients
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import Batch, EmbeddedViews, Tokens
from cxr_clip.train.step import learn, of_all_workers
from support_training import tiny_training
from support_workers import start_workers


def row(batch: Batch, number: int) -> Batch:
    """One study of a batch."""
    only = slice(number, number + 1)
    return Batch(
        images=tuple(images[only] for images in batch.images),
        texts=tuple(Tokens(text.ids[only], text.mask[only]) for text in batch.texts),
        study_ids=batch.study_ids[only],
    )


def in_pieces(workers: Workers) -> None:
    training = tiny_training(workers=workers, exact=True)
    model = training.model.eval()  # so that batch normalisation does not depend on the pieces
    batch = next(iter(training.batches_from(0)))
    learn(training, batch, 0, lap=lambda _part: None)
    whole = gradients(training.model)
    training.optimizer.zero_grad(set_to_none=True)

    with torch.no_grad():
        found = model(batch)
        scale = model.scale.clone().requires_grad_()
    leaves = [view.clone().requires_grad_() for view in (*found.images, *found.texts)]
    everyone = of_all_workers(EmbeddedViews(images=tuple(leaves[:2]), texts=tuple(leaves[2:])), workers)
    weighted_sum(study_contrast(everyone, scale), LossWeights()).backward()

    def surrogate(number: int) -> Tensor:
        views = training.learner(row(batch, number))
        pairs = zip((*views.images, *views.texts), leaves, strict=True)
        return sum((view * leaf.grad[number : number + 1]).sum() for view, leaf in pairs)

    rows = len(batch.study_ids)
    for number in range(rows - 1):
        with keeping_gradients(training.learner):
            surrogate(number).backward()
    (surrogate(rows - 1) + (model.scale * scale.grad).sum()).backward()
    pieces = gradients(training.model)
    assert whole.keys() == pieces.keys()
    for name, value in whole.items():
        torch.testing.assert_close(pieces[name], value, rtol=0, atol=1e-10, msg=name)


def gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def main() -> None:
    torch.set_num_threads(1)
    tiny_training()  # what it imports, the workers need not import again
    assert start_workers(2, in_pieces) == [0, 0]


if __name__ == "__main__":
    main()
