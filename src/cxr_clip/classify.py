"""What a model says of findings: the records, which prompts are asked, and scores with their meaning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cxr_clip.calibration import Answer, Calibration, Probability
from cxr_clip.data.findings import canonical
from cxr_clip.data.prompts import ZeroShotPrompt, load_zero_shot_prompts
from cxr_clip.directions import Direction, pair_scores, prompt_embedding
from cxr_clip.errors import EmbeddingInputError, PromptError

SIMILARITY = "similarity, not a probability"
Question = str | ZeroShotPrompt
EmbedTexts = Callable[[Sequence[str]], Float[Tensor, "count dim"]]


@dataclass(frozen=True)
class FindingScore:
    """What a model says of one finding.

    `score` is the cosine with the positive prompts minus that with the negative ones; of a sentence of one's own, which
    has no other side, it is the cosine alone. `probability` and `answer` (the prediction set in a word) are there where
    the run was calibrated with just these prompts; else the score is a similarity and no probability.
    """

    finding: str
    score: float
    probability: Probability | None = None
    answer: Answer | None = None

    @property
    def meaning(self) -> str:
        """The probability with its 95 % interval in words, or that there is none."""
        if self.probability is None:
            return SIMILARITY
        value, low, high = map(_hundredths, self.probability)
        return f"{value} ({low} to {high})"


@dataclass(frozen=True)
class Classification:
    """What a model says of one image or study, called `name`, from `images` images.

    `abstained`: why it is not asked, as the picture does not look like a chest X-ray; `findings` is empty then.
    """

    name: str
    images: int
    findings: tuple[FindingScore, ...]
    abstained: tuple[str, ...] = ()

    def score_of(self, finding: str) -> FindingScore:
        """What is said of one finding. Raises EmbeddingInputError where it was not asked, or the model abstained."""
        for one in self.findings:
            if one.finding == finding:
                return one
        why = f"the model abstained: {'; '.join(self.abstained)}" if self.abstained else "it was not asked"
        raise EmbeddingInputError(f"{self.name} has no score of {finding!r}: {why}")


@dataclass(frozen=True, eq=False)
class Looked:
    """An image called `title` as the encoder left it, and what speaks against its being a chest X-ray."""

    title: str
    embedding: Float[Tensor, "dim"]
    doubts: tuple[str, ...] = ()


def prompts_for(
    findings: Sequence[Question] | None = None, *, style: str | None = None, file: Path | None = None
) -> tuple[ZeroShotPrompt, ...]:
    """The prompts of findings: names that a style of the package or of a `file` has, sentences, prompts of one's own.

    A string is the name of a finding, in any spelling, or a sentence of one's own, which ends with a full stop.
    Without `findings`: all of the style. Raises PromptError for a name that is none, and one without a prompt.
    """
    if isinstance(findings, str):
        raise EmbeddingInputError(f"findings is a list of names, not one name: give [{findings!r}]")
    known = load_zero_shot_prompts(style or "standard", file)
    if findings is None:
        return tuple(known.values())
    asked = tuple(_prompt(finding, known, style or "standard") for finding in findings)
    names = [prompt.finding for prompt in asked]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice or not asked:
        raise PromptError(f"{twice[0]!r} is asked twice: ask it once" if twice else "no finding is asked: name one")
    return asked


def _prompt(finding: Question, known: Mapping[str, ZeroShotPrompt], style: str) -> ZeroShotPrompt:
    if isinstance(finding, ZeroShotPrompt):
        if not finding.positive:
            raise PromptError(f"{finding.finding!r} has no positive prompt: give one or more")
        return finding
    if finding.strip().endswith((".", "?", "!")):
        return ZeroShotPrompt(finding, positive=(finding,), negative=())
    try:
        name = canonical(finding)
    except PromptError as error:
        raise PromptError(f"{str(error).rstrip('.')} - or write a sentence of your own, with a full stop") from error
    if name not in known:
        raise PromptError(f"the style {style!r} has no prompt for {name}: it has {', '.join(known)}")
    return known[name]


def directions_of(embed_texts: EmbedTexts, prompts: Sequence[ZeroShotPrompt]) -> tuple[Direction, ...]:
    """The directions of prompts, from one call of `embed_texts`; where there is no negative side it is the origin."""
    sides = [side for prompt in prompts for side in (prompt.positive, prompt.negative)]
    embeddings = torch.split(embed_texts([text for side in sides for text in side]), [len(side) for side in sides])
    means = [prompt_embedding(side) if len(side) else torch.zeros(side.shape[1]) for side in embeddings]
    return tuple(Direction(*pair) for pair in zip(means[::2], means[1::2], strict=True))


def score_findings(
    embeddings: Float[Tensor, "count dim"],
    prompts: Sequence[ZeroShotPrompt],
    directions: Sequence[Direction],
    calibration: Calibration | None,
) -> list[tuple[FindingScore, ...]]:
    """What is said of each finding, for each image or study."""
    columns = [pair_scores(embeddings, direction) for direction in directions]
    return [
        tuple(
            _with_meaning(prompt, float(column[row]), calibration)
            for prompt, column in zip(prompts, columns, strict=True)
        )
        for row in range(len(embeddings))
    ]


def classify_images(
    looked: Sequence[Looked],
    prompts: Sequence[ZeroShotPrompt],
    directions: Sequence[Direction],
    calibration: Calibration | None,
) -> tuple[Classification, ...]:
    """What is said of each image by itself; nothing where something speaks against it."""
    if not looked:
        return ()
    scores = score_findings(torch.stack([one.embedding for one in looked]), prompts, directions, calibration)
    return tuple(
        Classification(one.title, 1, () if one.doubts else said, one.doubts)
        for one, said in zip(looked, scores, strict=True)
    )


def classify_together(
    name: str,
    looked: Sequence[Looked],
    prompts: Sequence[ZeroShotPrompt],
    directions: Sequence[Direction],
    calibration: Calibration | None,
) -> Classification:
    """What is said of a study from the mean of its images; nothing where something speaks against one of them."""
    told = tuple(f"{one.title}: {doubt}" for one in looked for doubt in one.doubts)
    mean = functional.normalize(torch.stack([one.embedding for one in looked]).sum(dim=0, keepdim=True), dim=1)
    (scores,) = score_findings(mean, prompts, directions, calibration)
    return Classification(name, len(looked), () if told else scores, told)


def _hundredths(probability: float) -> str:
    """A probability in two decimals, none of which reads as never or as always."""
    if probability < 0.005:
        return "<0.01"
    return f"{probability:.2f}" if probability < 0.995 else ">0.99"


def _with_meaning(prompt: ZeroShotPrompt, score: float, calibration: Calibration | None) -> FindingScore:
    """A score with its probability, where the same prompts were calibrated."""
    fitted = calibration.findings.get(prompt.finding) if calibration is not None else None
    if fitted is None or (fitted.positive_prompts, fitted.negative_prompts) != (prompt.positive, prompt.negative):
        return FindingScore(prompt.finding, score)
    return FindingScore(prompt.finding, score, fitted.probability(score), fitted.prediction.answer(score))
