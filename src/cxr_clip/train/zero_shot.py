"""Zero-shot classification of the validation studies that have labels: one small figure that a training is watched by.

It is not the benchmark of `evaluate`: one image a study, one style of prompts, no intervals. It shows whether the model
still learns to tell findings, at the cost of embedding the prompts; the images are those of the validation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.stated import stated
from cxr_clip.directions import direction_between, pair_scores
from cxr_clip.metrics import auroc
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.study import Study
from cxr_clip.tensors import Tokens

# With fewer of a class one study moves the AUROC by more than 0.1; `evaluate` asks for as many.
MIN_STUDIES = 5


@dataclass(frozen=True)
class Question:
    """One finding: the prompts of both sides, and which studies (by row) have it or explicitly lack it."""

    finding: str
    positive: Tokens
    negative: Tokens
    rows: NDArray[np.int64]
    has: NDArray[np.bool_]


def questions(
    studies: Sequence[Study], prompts: Mapping[str, ZeroShotPrompt], tokenise: Callable[[Sequence[str]], Tokens]
) -> tuple[Question, ...]:
    """What can be asked about these studies, in their order: the findings with MIN_STUDIES of both classes."""
    asked = (_question(studies, prompt, tokenise) for prompt in prompts.values())
    return tuple(one for one in asked if min(one.has.sum(), (~one.has).sum()) >= MIN_STUDIES)


def macro_auroc(
    model: DualEncoder, images: Float[Tensor, "studies dim"], asked: Sequence[Question], *, device: str
) -> float | None:
    """Return the mean AUROC over the findings; absent where nothing is asked."""
    if not asked:
        return None
    return float(np.mean([_auroc(model, images, question, device) for question in asked]))


def _question(
    studies: Sequence[Study], prompt: ZeroShotPrompt, tokenise: Callable[[Sequence[str]], Tokens]
) -> Question:
    rows, has = stated(studies, prompt.finding)
    return Question(
        finding=prompt.finding,
        positive=tokenise(list(prompt.positive)),
        negative=tokenise(list(prompt.negative)),
        rows=rows,
        has=has,
    )


def _auroc(model: DualEncoder, images: Float[Tensor, "studies dim"], question: Question, device: str) -> float:
    sides = (model.embed_texts(side.to(device)).cpu() for side in (question.positive, question.negative))
    return auroc(pair_scores(images[torch.from_numpy(question.rows)], direction_between(*sides)), question.has)
