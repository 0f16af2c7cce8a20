"""Faults for a miniature of ChestX-ray14: extra patients, each with one thing wrong, and what becomes of it."""

from pathlib import Path

from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PNG_BREAKS, PlantedFault, another_png, write_faults

_FIRST_PATIENT = 90001
_TABLE, _TRAIN, _TEST = "Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt"
# Rows of the table and the reason that is to be given; the rows of a fault are all of one image.
_ROWS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Gout",), "'Gout' is none of the 14 labels"),
    (("No Finding|Mass",), "contradict each other"),
    (("",), "no label for this image"),
    (("Mass", "Mass"), "lists this image twice"),
)


def plant_in_chestxray14(out: Path) -> None:
    """Add images, rows and names to a whole miniature, and write faults.jsonl."""
    planted = _Planted(out)
    for reason, broken in PNG_BREAKS:
        stem, path = planted.add(broken(planted.sound))
        planted.faults.append(PlantedFault("image", path, stem, reason))
        planted.faults.append(PlantedFault("study", None, stem, "none of its images"))
    for labels, reason in _ROWS:
        stem, path = planted.add(planted.sound, labels=labels)
        planted.faults.append(PlantedFault("study", path, stem, reason))
    planted.add(None)
    planted.faults.append(PlantedFault("image", "absent.txt", None, "1 of"))
    stem, path = planted.add(planted.sound, labels=())
    planted.faults.append(PlantedFault("image", path, None, "does not list"))
    stem, path = planted.add(planted.sound, lists=())
    planted.faults.append(PlantedFault("study", path, stem, "neither train_val_list.txt nor test_list.txt"))
    patient = planted.patient
    stem, path = planted.add(planted.sound, patient=patient)
    planted.faults.append(PlantedFault("study", path, stem, "test_list.txt names another image of its patient"))
    planted.add(planted.sound, lists=(_TEST,), patient=patient, visit=1)
    planted.write()


class _Planted:
    """The extra images with their rows and names, and what becomes of them."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.sound = min((out / "images_001" / "images").iterdir()).read_bytes()
        self.patient = _FIRST_PATIENT
        self.faults: list[PlantedFault] = []
        self._added: dict[str, list[str]] = {_TABLE: [], _TRAIN: [], _TEST: []}

    def add(
        self,
        data: bytes | None,
        *,
        labels: tuple[str, ...] = ("No Finding",),
        lists: tuple[str, ...] = (_TRAIN,),
        patient: int | None = None,
        visit: int = 0,
    ) -> tuple[str, str]:
        """An image with a row for each of the labels; its stem and its path. Without data the file is absent."""
        if patient is None:
            patient, self.patient = self.patient, self.patient + 1
        stem = f"{patient:08d}_{visit:03d}"
        path = f"images_001/images/{stem}.png"
        if data is not None:
            write_whole(self.out / path, another_png(data, patient + visit) if data is self.sound else data)
        row = f"{visit},{patient},50,F,PA,2500,2048,0.143,0.143"
        self._added[_TABLE] += [f"{stem}.png,{label},{row}\n" for label in labels]
        for name in lists:
            self._added[name].append(f"{stem}.png\n")
        return stem, path

    def write(self) -> None:
        """Add to the tables and write faults.jsonl."""
        for name, lines in self._added.items():
            write_whole(self.out / name, (self.out / name).read_bytes() + "".join(lines).encode())
        write_faults(self.out, self.faults)
