"""Which group of patients or pictures a study belongs to: its age band, sex, source, number of images, sections."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from cxr_clip.study import Study, View

# The views that are compared; a study counts in each that it has, with its images of that view.
VIEWS: Mapping[str, View] = {"PA": View.PA, "AP": View.AP, "frontal": View.FRONTAL, "lateral": View.LATERAL}
VIEW = "view"
_SEXES = {"F": "female", "M": "male"}
_MANY = 3


def age_band(age: float, bounds: Sequence[int]) -> str:
    """The band of an age in years; `bounds` are the first years of all bands but the youngest."""
    passed = [bound for bound in bounds if age >= bound]
    if not passed:
        return f"under {bounds[0]}"
    if len(passed) == len(bounds):
        return f"{bounds[-1]} and over"
    return f"{passed[-1]} to {bounds[len(passed)] - 1}"


def group_of(study: Study, attribute: str, *, age_bounds: Sequence[int]) -> str | None:
    """The group of a study; None where the study does not tell. `attribute` is "age" or a key of TOLD."""
    if attribute == "age":
        return None if study.age is None else age_band(study.age, age_bounds)
    return TOLD[attribute](study)


def in_order(names: Iterable[str]) -> list[str]:
    """Groups of one attribute in the order of a table: bands of age by their years, others by name."""
    return sorted(names, key=lambda name: (not name.startswith("under"), _first_number(name), name))


def _first_number(name: str) -> int:
    first = name.partition(" ")[0]
    return int(first) if first.isdecimal() else 0


def _sex(study: Study) -> str | None:
    return None if study.sex is None else _SEXES.get(study.sex, study.sex)


def _source(study: Study) -> str:
    return study.source


def _images(study: Study) -> str:
    count = len(study.images)
    return f"{_MANY} or more" if count >= _MANY else str(count)


def _sections(study: Study) -> str:
    there = [name for name in ("findings", "impression") if study.sections.get(name, "").strip()]
    return " and ".join(there) if len(there) == 2 else f"{there[0]} alone" if there else "neither"


# How a study tells its group, by attribute; ages need bounds, and views images.
TOLD: Mapping[str, Callable[[Study], str | None]] = {
    "sex": _sex,
    "source": _source,
    "images": _images,
    "sections": _sections,
}
