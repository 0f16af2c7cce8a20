"""The scores of studies for each finding, without a figure: what a calibration starts from."""

from collections.abc import Iterable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.stated import stated
from cxr_clip.directions import direction_between, pair_scores
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.study_images import Advance, Embedder, ReadImage, embed_studies, images_in_use
from cxr_clip.study import Study


def score_studies(
    embedder: Embedder,
    studies: Iterable[Study],
    prompts: Mapping[str, ZeroShotPrompt],
    *,
    read_image: ReadImage,
    benchmark: str,
    batch: int = 64,
    advance: Advance | None = None,
) -> tuple[FindingScores, ...]:
    """Return the scores of every finding that a study with an image in use is positive or negative of.

    Raises EvaluationError where no study has an image in use.
    """
    usable = usable_studies(studies)
    images = embed_studies(embedder, usable, read_image, batch=batch, advance=advance).mean
    found = (_score(embedder, prompt, usable, images, benchmark) for prompt in prompts.values())
    return tuple(one for one in found if len(one.studies))


def usable_studies(studies: Iterable[Study]) -> list[Study]:
    """The studies with an image in use. Raises EvaluationError where there is none."""
    usable = [study for study in studies if images_in_use(study)]
    if not usable:
        raise EvaluationError("none of the studies has a frontal image: take another split, or prepare it with views")
    return usable


def _score(
    embedder: Embedder,
    prompt: ZeroShotPrompt,
    studies: Sequence[Study],
    images: Float[Tensor, "studies dim"],
    benchmark: str,
) -> FindingScores:
    """Score the studies that are positive or negative of one finding."""
    counted, labels = stated(studies, prompt.finding)
    direction = direction_between(*map(embedder.embed_texts, (prompt.positive, prompt.negative)))
    scores = pair_scores(images[counted], direction)
    return finding_scores(benchmark, prompt.finding, [studies[index] for index in counted], labels, scores)
