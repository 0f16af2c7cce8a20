"""The made-up world in the raw layouts of CheXpert, CheXpert 5x200 and CheXpert Plus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.synthetic.chexpert_faults import Planted, plant_in_5x200, plant_in_chexpert, plant_in_plus
from cxr_clip.synthetic.chexpert_studies import StudyJob, StudyTruth, draw_study, study_jobs
from cxr_clip.synthetic.chexpert_tables import chexpert_csv, five_by_200_csv, five_by_200_rows, label_lines, plus_csv
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import write_faults
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.world import World, begin, finish

Progress = Callable[[int], None]


@dataclass(frozen=True)
class _Release:
    """How a release keeps its images, what can go wrong in it, and how its tables are written."""

    name: str
    folder: str
    suffix: str
    plant: Callable[[Path, StudyTruth, str], Planted]
    write_tables: Callable[[Path, str, list[StudyTruth], tuple[StudyTruth, ...]], None]


def synthesize_chexpert(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    progress: Progress | None = None,
    small: bool = False,
    faults: bool = False,
) -> None:
    """Write studies as CheXpert v1.0 (or, with `small`, -small) is distributed, with truth.jsonl beside them.

    Some training patients have one finding of CheXpert 5x200 alone; chexpert_5x200.csv names them. With `faults` a
    few further patients have something wrong, and faults.jsonl says what must become of it. A world that is there
    already is passed over; one that was begun is drawn again from its start, byte for byte.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    folder = "CheXpert-v1.0-small" if small else "CheXpert-v1.0"
    release = _Release(
        "chexpert small" if small else "chexpert", folder, ".jpg", plant_in_chexpert, _write_chexpert_tables
    )
    world = World(_layout(release, faults=faults), studies, seed, image_size)
    _synthesize(out, world, release, processes=processes, progress=progress, faults=faults)


def synthesize_chexpert_5x200(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    progress: Progress | None = None,
    faults: bool = False,
) -> None:
    """Write chexpert_5x200.csv and its images, each study with one of the five findings; see `synthesize_chexpert`."""
    release = _Release("chexpert_5x200", "CheXpert-v1.0", ".jpg", plant_in_5x200, _write_5x200_table)
    world = World(_layout(release, faults=faults), studies, seed, image_size)
    _synthesize(out, world, release, processes=processes, progress=progress, faults=faults)


def synthesize_chexpert_plus(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    progress: Progress | None = None,
    faults: bool = False,
) -> None:
    """Write studies as CheXpert Plus has them: PNG images, the table of reports, labels; see `synthesize_chexpert`."""
    release = _Release("chexpert_plus", "PNG", ".png", plant_in_plus, _write_plus_tables)
    world = World(_layout(release, faults=faults), studies, seed, image_size)
    _synthesize(out, world, release, processes=processes, progress=progress, faults=faults)


def _layout(release: _Release, *, faults: bool) -> str:
    return f"{release.name} with faults" if faults else release.name


def _synthesize(
    out: Path, world: World, release: _Release, *, processes: int, progress: Progress | None, faults: bool
) -> None:
    if not begin(out, world, progress):
        return
    jobs = _jobs(out, world, release)
    truths = list(in_order(draw_study, jobs, processes=processes, progress=progress))
    planted = Planted((), (), ())
    if faults:
        planted = release.plant(out / release.folder, truths[0], release.suffix)
        write_faults(out, planted.faults)
    release.write_tables(out, release.folder, truths, planted.rows)
    write_whole(out / "truth.jsonl", "".join(truth.line() for truth in (*truths, *planted.kept)).encode())
    finish(out, world)


def _jobs(out: Path, world: World, release: _Release) -> Iterator[StudyJob]:
    first = StudyJob(
        out, release.folder, release.suffix, seed=world.seed, patient=0, study=0, image_size=world.image_size
    )
    return study_jobs(first, world.studies, all_single=release.plant is plant_in_5x200)


def _write_chexpert_tables(out: Path, folder: str, truths: list[StudyTruth], planted: tuple[StudyTruth, ...]) -> None:
    train = [truth for truth in truths if truth.part == "train"]
    valid = [truth for truth in truths if truth.part == "valid"]
    write_whole(out / folder / "train.csv", chexpert_csv([*train, *planted], folder))
    write_whole(out / folder / "valid.csv", chexpert_csv(valid, folder))
    write_whole(out / "chexpert_5x200.csv", five_by_200_csv(five_by_200_rows(truths), folder))


def _write_5x200_table(out: Path, folder: str, truths: list[StudyTruth], planted: tuple[StudyTruth, ...]) -> None:
    write_whole(out / "chexpert_5x200.csv", five_by_200_csv([*truths, *planted], folder))


def _write_plus_tables(out: Path, _: str, truths: list[StudyTruth], planted: tuple[StudyTruth, ...]) -> None:
    write_whole(out / "df_chexpert_plus_240401.csv", plus_csv([*truths, *planted]))
    write_whole(out / "chexbert_labels" / "impression_fixed.json", label_lines([*truths, *planted]))
