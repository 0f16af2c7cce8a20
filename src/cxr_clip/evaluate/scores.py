"""The score of every study that counted for a finding, in scores.parquet beside the report.

A later comparison, calibration or figure starts from these and needs neither the images nor the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.study import Split, Study
from cxr_clip.whole_files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

SCORES = "scores.parquet"
_COLUMNS = ("study", "patient", "split", "benchmark", "finding", "label", "score")


@dataclass(frozen=True, eq=False)
class FindingScores:
    """One benchmark's scores for one finding: entry i of each is of the same study; a higher score says positive.

    `studies` and `patients` are identifiers; a label is true where the finding is positive. Studies that are neither
    positive nor negative are not in it.
    """

    benchmark: str
    finding: str
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    splits: tuple[Split, ...]
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        lengths = {len(each) for each in (self.studies, self.patients, self.splits, self.labels, self.scores)}
        assert len(lengths) == 1, f"columns of different lengths: {sorted(lengths)}"


def finding_scores(
    benchmark: str, finding: str, studies: Sequence[Study], labels: NDArray[np.bool_], scores: NDArray[np.float64]
) -> FindingScores:
    """Name the studies that labels and scores belong to."""
    return FindingScores(
        benchmark=benchmark,
        finding=finding,
        studies=tuple(study.id for study in studies),
        patients=tuple(study.patient for study in studies),
        splits=tuple(study.split for study in studies),
        labels=labels,
        scores=scores,
    )


def write_scores(path: Path, scores: Sequence[FindingScores]) -> Path:
    """Write the scores as a table of seven columns, one row a study and finding, whole or not at all."""
    import pyarrow.parquet as pq

    with whole_file(path) as partial:
        pq.write_table(_to_table(scores), partial, compression="zstd")
    return path


def read_scores(path: Path) -> tuple[FindingScores, ...]:
    """Read what `write_scores` wrote, from the file or the folder that holds it.

    Raises EvaluationError where there is none, or it is no table of scores.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / SCORES if path.is_dir() else path
    if not file.is_file():
        raise EvaluationError(f"no scores at {file}: `cxr-clip evaluate` writes them beside report.json; run it again")
    try:
        table = pq.read_table(file).select(_COLUMNS).cast(_schema())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, ValueError, OSError) as error:
        raise EvaluationError(f"{file} is no table of scores ({error}): evaluate the run again") from error
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    rows = groupby(zip(*columns, strict=True), key=lambda row: (row[3], row[4]))
    return tuple(_from_rows(benchmark, finding, list(of_one)) for (benchmark, finding), of_one in rows)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {"label": pa.bool_(), "score": pa.float64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=False) for name in _COLUMNS])


def _to_table(scores: Sequence[FindingScores]) -> "pa.Table":
    import pyarrow as pa

    columns = {
        "study": chain.from_iterable(one.studies for one in scores),
        "patient": chain.from_iterable(one.patients for one in scores),
        "split": (split.value for one in scores for split in one.splits),
        "benchmark": (one.benchmark for one in scores for _ in one.studies),
        "finding": (one.finding for one in scores for _ in one.studies),
        "label": (bool(label) for one in scores for label in one.labels),
        "score": (float(score) for one in scores for score in one.scores),
    }
    return pa.table({name: list(values) for name, values in columns.items()}, schema=_schema())


def _from_rows(benchmark: str, finding: str, rows: list[tuple[str, str, str, str, str, bool, float]]) -> FindingScores:
    studies, patients, splits, _, _, labels, scores = zip(*rows, strict=True)
    return FindingScores(
        benchmark=benchmark,
        finding=finding,
        studies=studies,
        patients=patients,
        splits=tuple(map(Split, splits)),
        labels=np.asarray(labels, dtype=bool),
        scores=np.asarray(scores, dtype=np.float64),
    )
