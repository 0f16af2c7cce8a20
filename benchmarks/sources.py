"""Every data set from its raw folder to an inspected manifest, with each count beside the truth of the folder.

    python benchmarks/sources.py [--data FOLDER] [--work FOLDER] [--only miniatures|real]

Miniatures: each source is made up, prepared and inspected; once sound, to compare the counts with truth.jsonl, and once
with planted faults, to compare them with rejected.jsonl. Real: the folders openi, chestxray14 and rsna_labels below
--data, where they are (the last with made-up images for its real tables); counts, what was left out, minutes, bytes
and memory. Writes results/sources.json; it holds counts only, nothing of a patient. What is not run again stays.
"""

import argparse
import csv
import gzip
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from quickstart import measure
from sklearn.model_selection import train_test_split

from cxr_clip.commands.sources import SOURCES
from cxr_clip.inspection.inspect_manifest import InspectionRequest, inspect_manifest
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.prepare.splits import split_70_15_15

RESULTS = Path(__file__).parent / "results" / "sources.json"
DATA = Path(__file__).parents[2] / "shared" / "data"
MINIATURES = tuple(name for name, entry in SOURCES.items() if entry.synthesize is not None)
STUDIES, IMAGE_SIZE = 60, 96
RSNA_IMAGES = 6000  # of the 26,684, to be done in minutes; the others count as absent
Record = dict[str, Any]


def miniature(source: str, folder: Path, *, studies: int = STUDIES, image_size: int = IMAGE_SIZE) -> Record:
    """Counts of a sound miniature beside its truth; how many planted faults are named, and what else is left out."""
    sound, faulty = folder / "sound", folder / "faulty"
    _make_up(source, sound, studies=studies, image_size=image_size, faults=False)
    prepared = inspect_manifest(folder / "sound-prepared", InspectionRequest(samples=0))
    _make_up(source, faulty, studies=studies, image_size=image_size, faults=True)
    planted, anyway = _lines(faulty / "faults.jsonl"), _lines(folder / "sound-prepared" / "rejected.jsonl")
    rejected = [row for row in _lines(folder / "faulty-prepared" / "rejected.jsonl") if row not in anyway]
    named, others = match_faults(planted, rejected, absent=_absent(folder / "faulty-prepared"))
    return {
        "truth": truth_counts(source, sound),
        "inspected": _counts(prepared.counts),
        "faults_found_by_inspect": len(prepared.faults),
        "left_out_of_the_sound_one": len(anyway),
        "planted": len(planted),
        "planted_and_named": named,
        "named_and_not_planted": others,
    }


def _make_up(source: str, raw: Path, *, studies: int, image_size: int, faults: bool) -> None:
    """Make up a miniature and prepare it beside itself."""
    synthesize = resolve_name(SOURCES[source].synthesize or "")
    synthesize(raw, studies=studies, seed=1, image_size=image_size, faults=faults)
    options = PrepareOptions(short_side=64, processes=1)
    resolve_name(SOURCES[source].prepare)(raw, raw.with_name(f"{raw.name}-prepared"), options)


def truth_counts(source: str, raw: Path) -> Record:
    """Studies, patients, images and views as they were drawn.

    Of CheXpert 5x200 what its table chooses of them; in MIMIC-CXR the view is unknown where its table has none.
    """
    rows = _lines(raw / "truth.jsonl")
    images = [
        (row["study"], row["patient"], path, view)
        for row in rows
        for path, view in zip(row.get("images", [row.get("path")]), row.get("views", [row.get("view")]), strict=True)
    ]
    if source == "chexpert_5x200":
        with (raw / "chexpert_5x200.csv").open() as stream:
            chosen = {"/".join(Path(row["Path"]).parts[-4:]) for row in csv.DictReader(stream)}
        images = [(path, patient, path, view) for _, patient, path, view in images if path in chosen]
    if source == "mimic_cxr":
        with gzip.open(raw / "mimic-cxr-2.0.0-metadata.csv.gz", "rt") as stream:
            silent = {row["dicom_id"] for row in csv.DictReader(stream) if not row["ViewPosition"]}
        images = [(*known, path, "unknown" if path in silent else view) for *known, path, view in images]
    return {
        "studies": len({study for study, *_ in images}),
        "patients": len({patient for _, patient, *_ in images}),
        "images": len(images),
        "views": _frontal_and_lateral(Counter(view for *_, view in images)),
    }


def _counts(counts: Any) -> Record:
    views = _frontal_and_lateral({str(name): number for name, number in counts.views.items()})
    return {"studies": counts.studies, "patients": counts.patients, "images": counts.images, "views": views}


def _frontal_and_lateral(views: Mapping[str, int]) -> dict[str, int]:
    """PA and AP are frontal; some tables do not tell them apart."""
    found: Counter[str] = Counter()
    for name, number in views.items():
        found["frontal" if name in ("pa", "ap", "frontal") else name] += number
    return dict(sorted(found.items()))


def match_faults(planted: list[Record], rejected: list[Record], *, absent: str) -> tuple[int, int]:
    """How many planted faults are named, each by a line of its own, and how many lines name none.

    A fault with neither path nor study is that of one or more of several images, and takes every line that fits. That
    a study is left out whose images were broken follows from their faults.
    """
    left, named = [row for row in rejected if row["path"] != "absent.txt"], 0
    for fault in planted:
        if fault["path"] == "absent.txt" or fault["kind"] == "absent":
            named += bool(absent) and (fault["kind"] != "absent" or _stem(fault) in absent)
            continue
        several = not fault["path"] and not fault["study"]
        fitting = [row for row in left if _fits(row, fault)]
        for row in fitting if several else fitting[:1]:
            left.remove(row)
        named += bool(fitting)
    broken = {fault["study"] for fault in planted}
    return named, sum(not (row["study"] in broken and "none of its images" in row["reason"]) for row in left)


def _fits(row: Record, fault: Record) -> bool:
    """Paths of a fault may lack the folders of the edition, and the suffix may be another."""
    if row["kind"] != fault["kind"] or fault["reason"] not in row["reason"]:
        return False
    if not fault["path"] and not fault["study"]:
        return True
    return bool(row["study"] == fault["study"] and _stem(fault) in str(row["path"] or ""))


def _stem(fault: Record) -> str:
    return str(Path(fault["path"]).with_suffix("")) if fault["path"] else ""


def real_openi(data: Path, work: Path) -> Record:
    """Open-I beside the truth of the folder: the XML files, the images, the official tables."""
    raw = data / "openi"
    reports = {file.stem: file.read_text("utf-8") for file in (raw / "ecgen-radiology").iterdir()}
    images = {file.stem for file in (raw / "images").iterdir()}
    named = {name: _between(text, 'parentImage id="', '"') for name, text in reports.items()}
    usable = {name for name, found in named.items() if images.intersection(found)}
    views = Counter(
        row["projection"] for row in _table(raw / "projections.csv") if Path(row["image_id"]).stem in images
    )
    truth = {
        "reports": len(reports),
        "studies": len(usable),
        "images": len(images),
        "reports that name no image": sum(not found for found in named.values()),
        "images that a report names and the folder lacks": sum(len(set(n) - images) for n in named.values()),
        "splits": _split_counts(row["split"] for row in _table(raw / "split.csv") if row["uid"] in usable),
        "frontal": views["Frontal"],
        "lateral": views["Lateral"],
    }
    return {"truth": truth, **prepared_and_inspected("openi", raw, work / "openi")}


def real_chestxray14(data: Path, work: Path) -> Record:
    """A partial ChestX-ray14 beside the truth of the folder."""
    raw = data / "chestxray14"
    rows = _table(raw / "Data_Entry_2017_v2020.csv")
    here = {file.stem for file in (raw / "images").rglob("*") if file.is_file()}
    present = [row for row in rows if Path(row["Image Index"]).stem in here]
    test = {Path(name).stem for name in (raw / "test_list.txt").read_text().split()}
    labels = Counter(label for row in present for label in row["Finding Labels"].split("|"))
    truth = {
        "listed": len(rows),
        "studies": len(present),
        "patients": len({row["Patient ID"] for row in present}),
        "absent": len(rows) - len(present),
        "in the test list": sum(Path(row["Image Index"]).stem in test for row in present),
        "Pneumonia": labels["Pneumonia"],
        "No Finding": labels["No Finding"],
        "Pleural Effusion": labels["Effusion"],
    }
    return {"truth": truth, **prepared_and_inspected("chestxray14", raw, work / "chestxray14")}


def real_rsna_labels(data: Path, work: Path) -> Record:
    """The real tables of RSNA with made-up images of 1,024 pixels, beside the tables and scikit-learn's split."""
    tables, raw = data / "rsna_labels", work / "rsna-raw"
    rows = _table(tables / "stage_2_train_labels.csv")
    patients = sorted({row["patientId"] for row in rows})
    resolve_name(SOURCES["rsna_pneumonia"].synthesize or "")(
        raw, tables=tables, studies=RSNA_IMAGES, seed=0, image_size=64, processes=2
    )
    sides = scikit_learn_sides(patients)
    here = set(patients[:RSNA_IMAGES])
    truth = {
        "patients": len(patients),
        "rows with a box": sum(bool(row["x"]) for row in rows),
        "patients with a box": len({row["patientId"] for row in rows if row["x"]}),
        "images": len(here),
        "of them Pneumonia": len({row["patientId"] for row in rows if row["Target"] == "1"} & here),
        "splits by scikit-learn": {side: len(names & here) for side, names in sides.items()},
    }
    record = prepared_and_inspected("rsna_pneumonia", raw, work / "rsna")
    record["prepared on another side than scikit-learn's"] = sum(
        study not in sides[split] for study, split in _splits(work / "rsna")
    )
    ours = split_70_15_15(patients)
    record["listed on another side than scikit-learn's"] = sum(name not in sides[ours[name]] for name in patients)
    return {"truth": truth, **record}


def scikit_learn_sides(patients: list[str]) -> dict[str, set[str]]:
    """The patients of each split: 30 % away from training, half of these for the test."""
    train, rest = train_test_split(patients, test_size=0.3, random_state=0)
    test, validate = train_test_split(rest, test_size=0.5, random_state=0)
    return {"test": set(test), "train": set(train), "validate": set(validate)}


def prepared_and_inspected(source: str, raw: Path, out: Path, *, processes: int = 2) -> Record:
    """What preparation kept and left out, what inspection counts, and what it cost."""
    shutil.rmtree(out, ignore_errors=True)
    arguments = [source, str(raw), str(out), "--processes", str(processes), "--quiet"]
    spent = measure([sys.executable, "-m", "cxr_clip", "prepare", *arguments])
    start = time.monotonic()
    found = inspect_manifest(out, InspectionRequest(samples=0, threads=processes))
    inspected = time.monotonic() - start
    summary = json.loads((out / "summary.json").read_text())
    positive = {label.finding: label.positive for label in found.labels}
    return {
        "inspected": {
            **_counts(found.counts),
            "splits": {group.split: group.studies for group in found.counts.groups if group.split},
            "positive": positive,
            "studies_with_boxes": found.counts.boxes,
        },
        "rejected": summary["rejected"],
        "absent": summary["absent_images"],
        "faults_found_by_inspect": list(found.faults),
        "minutes_to_prepare": round(spent.seconds / 60, 2),
        "minutes_to_inspect": round(inspected / 60, 2),
        "megabytes_stored": round(sum(file.stat().st_size for file in (out / "shards").iterdir()) / 1e6, 1),
        "megabytes_of_manifest": round((out / "manifest.parquet").stat().st_size / 1e6, 2),
        "peak_memory_mb_of_all_processes": round(spent.memory / 1e6),
        "processes": processes,
    }


REAL: Mapping[str, Callable[[Path, Path], Record]] = {
    "openi": real_openi,
    "chestxray14": real_chestxray14,
    "rsna_labels": real_rsna_labels,
}


def _splits(manifest: Path) -> Iterator[tuple[str, str]]:
    from cxr_clip.data.manifest import read_manifest

    return ((study.id, study.split.value) for study in read_manifest(manifest))


def _split_counts(names: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _between(text: str, start: str, end: str) -> list[str]:
    return [part.split(end, 1)[0] for part in text.split(start)[1:]]


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def _lines(file: Path) -> list[Record]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _absent(out: Path) -> str:
    file = out / "absent.txt"
    return file.read_text() if file.is_file() else ""


def write(path: Path, told: Record) -> None:
    """Write the results whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(told, indent=1) + "\n")
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder with openi, chestxray14 and rsna_labels")
    parser.add_argument("--work", type=Path, help="a folder to keep what is made; default: a temporary one")
    parser.add_argument("--only", choices=("miniatures", "real"))
    arguments = parser.parse_args()
    told: Record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"miniatures": {}, "real": {}}
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.only != "real":
            told["miniatures"] = {name: miniature(name, Path(temporary) / name) for name in MINIATURES}
            write(RESULTS, told)
        for name in REAL if arguments.only != "miniatures" else ():
            if (arguments.data / name).is_dir():
                told["real"][name] = REAL[name](arguments.data, arguments.work or Path(temporary))
                write(RESULTS, told)


if __name__ == "__main__":
    main()
