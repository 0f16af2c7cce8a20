"""Watches a training by its log: figures of the batch at logged steps, and each signature of failure told once.

All that it knows stands in the log, so a continued run reads its entries again and goes on as one never stopped.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.losses import LossWeights
from cxr_clip.tensors import EmbeddedViews
from cxr_clip.train.geometry import alignment, centroid_gap, effective_rank, mean_cosine, pulls, uniformity
from cxr_clip.train.signatures import IN_A_ROW, MIN_STUDIES, Finding, History, Moment, findings

# More studies of a batch than this are not looked at: the figures have settled, and memory grows with the square.
MAX_STUDIES = 512
# A signature that was away for so many looks has come back when it shows again.
REST = 2 * IN_A_ROW
# Entries that are remembered: means over the last validations take no more, and memory does not grow with the run.
KEPT = 2000


@torch.no_grad()
def batch_figures(views: EmbeddedViews, scale: Float[Tensor, "*one"], weights: LossWeights) -> dict[str, float]:
    """Return what the embeddings of a batch tell, by name; nothing of a batch of fewer than MIN_STUDIES studies."""
    studies = min(len(views.images[0]), MAX_STUDIES)
    if studies < MIN_STUDIES:
        return {}
    views = views.each(lambda view: view[:studies].detach().float())
    figures: dict[str, float] = {"studies": studies, "directions": min(views.images[0].shape)}
    for side, rows in (("image", views.images), ("text", views.texts)):
        figures |= {
            f"{side}_mean_cosine": mean_cosine(rows[0]),
            f"{side}_effective_rank": effective_rank(rows[0]),
            f"{side}_uniformity": uniformity(rows[0]),
        }
        figures |= {f"{side}_alignment": alignment(*rows)} if len(rows) == 2 else {}
    image, text = views.images[0], views.texts[0]
    pull_images, pull_texts = pulls(views, scale, weights)
    return figures | {
        "alignment": alignment(image, text),
        "centroid_gap": centroid_gap(image, text),
        "image_own_share": pull_images.own_share,
        "text_own_share": pull_texts.own_share,
    }


class Monitor:
    """Keeps the history of one run and tells each signature when it appears, and again only when it comes back."""

    def __init__(self, *, max_scale: float) -> None:
        self._learning: deque[Moment] = deque(maxlen=KEPT)
        self._validations: deque[Moment] = deque(maxlen=KEPT)
        self._max_scale = max_scale
        self._shown: dict[str, int] = {}

    def replay(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Take in the entries of an earlier session of the run; what they warned of was told then."""
        for entry in entries:
            numbers = {name: float(value) for name, value in entry.items() if isinstance(value, int | float)}
            if entry.get("kind") == "train":
                self.learning(numbers["epoch"], numbers)
            elif entry.get("kind") == "validate":
                self.validation(numbers["epoch"], numbers)

    def learning(self, epoch: float, figures: Mapping[str, float]) -> tuple[Finding, ...]:
        """Take in the figures of a logged step and return what appears with it."""
        self._learning.append(Moment(round(epoch, 4), dict(figures)))
        return self._new()

    def validation(self, epoch: float, figures: Mapping[str, float]) -> tuple[Finding, ...]:
        """Take in the figures of a validation and return what appears with it."""
        self._validations.append(Moment(round(epoch, 4), dict(figures)))
        return self._new()

    def _new(self) -> tuple[Finding, ...]:
        """What shows and did not for the last REST looks: a figure that wavers about its limit is told once."""
        showing = findings(History(tuple(self._learning), tuple(self._validations), self._max_scale))
        names = {one.signature for one in showing}
        new = tuple(one for one in showing if one.signature not in self._shown)
        rest = {name: left - 1 for name, left in self._shown.items() if name not in names and left > 1}
        self._shown = rest | dict.fromkeys(names, REST)
        return new
