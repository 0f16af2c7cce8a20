"""What the interface answers, as records; the OpenAPI document is made from them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cxr_clip import calibration, classify
from cxr_clip.calibration import Answer
from cxr_clip.search.rows import IndexContents
from cxr_clip.search.vector_index import Hit


class Record(BaseModel):
    """A frozen record without further fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refused(Record):
    """Why a request is refused, in one sentence that names the mend."""

    error: str


class Health(Record):
    """The server answers."""

    status: Literal["ok"] = "ok"


class AskedFinding(Record):
    """A finding with its prompts."""

    finding: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]


class LimitFacts(Record):
    """How much a request may ask for."""

    file_bytes: int
    files: int
    pixels: int
    texts: int
    text_characters: int
    results: int


class ModelFacts(Record):
    """What the server's model is, and what can be asked."""

    name: str
    title: str
    findings: tuple[AskedFinding, ...]
    calibrated: bool
    abstains: bool
    index: IndexContents | None
    limits: LimitFacts
    notice: str


class Probability(Record):
    """A probability with its 95 % interval."""

    value: float
    low: float
    high: float


class FindingAnswer(Record):
    """What is said of one finding; probability and answer are null where the prompts were not calibrated."""

    finding: str
    score: float
    probability: Probability | None
    answer: Answer | None
    meaning: str

    @classmethod
    def of(cls, said: classify.FindingScore) -> "FindingAnswer":
        """The record of a score."""
        return cls(
            finding=said.finding,
            score=said.score,
            probability=_probability(said.probability),
            answer=said.answer,
            meaning=said.meaning,
        )


class ClassificationAnswer(Record):
    """What is said of an image or a study of `images` images; `findings` is empty where the model abstained."""

    name: str
    images: int
    abstained: tuple[str, ...]
    findings: tuple[FindingAnswer, ...]

    @classmethod
    def of(cls, said: classify.Classification) -> "ClassificationAnswer":
        """The record of a classification."""
        findings = tuple(map(FindingAnswer.of, said.findings))
        return cls(name=said.name, images=said.images, abstained=said.abstained, findings=findings)


class Classified(Record):
    """What is said of all images together, and of each by itself."""

    study: ClassificationAnswer
    images: tuple[ClassificationAnswer, ...]


class Peak(Record):
    """The place of the largest value, as fractions of the picture's width and height."""

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)


class MapAnswer(Record):
    """Where one text is supported.

    `map` is base64 of height x width little-endian float32 values, row by row over the whole picture; NaN where the
    model does not see it. `low` and `high` are the least and the largest of the others.
    """

    text: str
    score: float
    peak: Peak
    map: str = Field(json_schema_extra={"contentEncoding": "base64"})
    low: float
    high: float


class Explained(Record):
    """The maps of one image on a grid of height x width; none where the model abstained, with the reasons."""

    height: int
    width: int
    abstained: tuple[str, ...]
    texts: tuple[MapAnswer, ...]


class HitAnswer(Record):
    """A study that was found, by its best row; `picture` is the address of the image where the server has it."""

    rank: int
    id: str
    study: str
    source: str
    split: str
    kind: str
    view: str | None
    score: float
    findings: tuple[str, ...]
    report: str | None
    picture: str | None

    @classmethod
    def of(cls, hit: Hit, *, rank: int, picture: str | None) -> "HitAnswer":
        """The record of a hit, without the patient and the path of the file."""
        return cls(
            rank=rank,
            id=hit.id,
            study=hit.study_id,
            source=hit.source,
            split=hit.split,
            kind=hit.kind,
            view=hit.view,
            score=hit.score,
            findings=hit.findings,
            report=hit.report,
            picture=picture,
        )


class Found(Record):
    """The nearest studies, best first."""

    hits: tuple[HitAnswer, ...]


def _probability(said: calibration.Probability | None) -> Probability | None:
    return Probability(**said._asdict()) if said is not None else None
