"""With a salt no id and no file name of the source is written anywhere; equal ids stay equal, so that joins work."""

import hashlib
import hmac
import io
import json
import re
from pathlib import Path
from pkgutil import resolve_name

import pyarrow.parquet as pq
import pytest
from PIL import Image

from cxr_clip.commands.sources import SOURCES
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert import prepare_chexpert
from cxr_clip.prepare.chexpert_5x200 import prepare_chexpert_5x200
from cxr_clip.prepare.hashed_ids import Ids, read_salt
from cxr_clip.prepare.merge import merge_shares
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions, Share
from cxr_clip.prepare.table import prepare_table
from cxr_clip.synthetic import (
    MimicEdition,
    synthesize_chexpert,
    synthesize_chexpert_5x200,
)

SALT = b"a secret of more than sixteen bytes"
MADE_UP = {
    **{name: (name, {"faults": True}) for name, entry in SOURCES.items() if entry.synthesize is not None},
    "openi": ("openi", {}),
    "chestxray14": ("chestxray14", {}),
    "mimic_cxr, DICOM": ("mimic_cxr", {"edition": MimicEdition.DICOM_2_1_0}),
}
# Words that stand in paths of raw folders and tell nobody from anybody.
COMMON = re.compile(
    r"(?i)absent|annotations|train|test|valid|files|images?(_\d{3})?|p1\d|study\d|view\d_\w+|\w*-small|[a-z-]{1,12}"
)


def options(*, salt: bytes | None = SALT, share: Share | None = None) -> PrepareOptions:
    return PrepareOptions(short_side=48, processes=1, studies_per_shard=3, share=share, ids=Ids(salt))


def written(folder: Path) -> bytes:
    """All that a folder holds and the names of its files; tables of Parquet as text, as they are compressed."""
    parts: list[bytes] = []
    for path in folder.rglob("*"):
        parts.append(path.name.encode())
        if path.is_file():
            parts.append(path.read_bytes())
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            parts.append(json.dumps([str(table.schema.metadata), table.to_pylist()]).encode())
    return b"\n".join(parts)


def names_of(study) -> set[str]:
    """The ids of a study and what its paths are made of."""
    parts = {
        part for image in study.images for part in (image.path, *re.split(r"[/\\]", image.path.rpartition(".")[0]))
    }
    return {name for name in (study.id, study.patient, *parts) if not COMMON.fullmatch(name)}


def names_of_rejections(folder: Path) -> set[str]:
    rows = [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]
    paths = {row["path"] for row in rows if row["path"] and ".csv" not in row["path"]}
    absent = (folder / "absent.txt").read_text().splitlines() if (folder / "absent.txt").exists() else []
    return {
        name for name in ({row["study"] for row in rows if row["study"]} | paths | set(absent)) if name != "absent.txt"
    }


def stands_in(name: str, data: bytes) -> bool:
    """Whether a name stands there as a word of its own; short numbers are parts of others by chance."""
    word = name.encode()
    # The plain search comes first as it is much faster, and mostly finds nothing.
    return word in data and re.search(rb"(?<![0-9A-Za-z])" + re.escape(word) + rb"(?![0-9A-Za-z])", data) is not None


@pytest.mark.parametrize("source", MADE_UP)
def test_nothing_that_is_written_names_an_id_or_a_file(tmp_path: Path, source: str) -> None:
    name, more = MADE_UP[source]
    prepare = resolve_name(SOURCES[name].prepare)
    resolve_name(SOURCES[name].synthesize)(tmp_path / "raw", studies=6, seed=5, image_size=64, **more)
    prepare(tmp_path / "raw", tmp_path / "plain", options(salt=None))
    prepare(tmp_path / "raw", tmp_path / "hashed", options())
    for number in (1, 2):
        prepare(tmp_path / "raw", tmp_path / f"share-{number}", options(share=Share(number, 2)))
    plain, hashed = (list(read_manifest(tmp_path / name)) for name in ("plain", "hashed"))
    names = names_of_rejections(tmp_path / "plain").union(*map(names_of, plain))
    assert len(names) > len(plain)
    as_it_is = written(tmp_path / "plain")
    assert all(stands_in(name, as_it_is) for name in {study.id for study in plain})
    for folder in ("hashed", "share-1", "share-2"):
        data = written(tmp_path / folder)
        assert SALT not in data
        assert [name for name in names if stands_in(name, data) and not is_a_chance(name)] == []
    ids = Ids(SALT)
    assert [study.id for study in hashed] == [ids.code(study.id) for study in plain]
    assert [study.patient for study in hashed] == [ids.code(study.patient) for study in plain]
    for one, other in zip(plain, hashed, strict=True):
        assert (one.split, one.sections, one.findings, one.boxes) == (
            other.split,
            other.sections,
            other.findings,
            other.boxes,
        )
    merge_shares(tmp_path / "merged", [tmp_path / "share-2", tmp_path / "share-1"])
    assert list(read_manifest(tmp_path / "merged")) == hashed


def is_a_chance(name: str) -> bool:
    """ChestX-ray14's patients and Open-I's reports have numbers of few digits, which counts have too."""
    return re.fullmatch(r"\d{1,4}", name) is not None


def test_a_hash_is_hmac_sha256_of_the_id_cut_to_128_bits() -> None:
    expected = hmac.new(SALT, b"id 10000032", hashlib.sha256).hexdigest()[:32]
    assert Ids(SALT).code("10000032") == expected
    assert Ids(SALT).path("files/p10/x.JPG") == Ids(SALT).code("files/p10/x.JPG") + ".jpg"
    assert Ids(SALT).path("1.2.840.10008.77") == Ids(SALT).code("1.2.840.10008.77")
    for name in ("absent.txt", "train.csv", "own.csv.gz row 12"):
        assert Ids(SALT).path(name) == name
    assert Ids().code("10000032") == "10000032"
    assert Ids().check is None
    assert Ids(SALT).check != Ids(SALT + b"!").check


def test_the_salt_is_never_shown() -> None:
    assert "secret" not in repr(options())
    assert "secret" not in repr(Ids(SALT))


def test_another_salt_or_none_does_not_continue(openi: Path, tmp_path: Path) -> None:
    prepare_openi(openi, tmp_path / "out", options())
    assert prepare_openi(openi, tmp_path / "out", options()).nothing_to_do
    for salt in (SALT[::-1], None):
        with pytest.raises(SourceError, match=r"prepared with other settings .hashed_ids"):
            prepare_openi(openi, tmp_path / "out", options(salt=salt))
    prepare_openi(openi, tmp_path / "share-1", options(share=Share(1, 2)))
    prepare_openi(openi, tmp_path / "share-2", options(salt=SALT[::-1], share=Share(2, 2)))
    with pytest.raises(SourceError, match="prepared with the same settings"):
        merge_shares(tmp_path / "merged", [tmp_path / "share-1", tmp_path / "share-2"])
    prepare_openi(openi, tmp_path / "plain", options(salt=None))
    with pytest.raises(SourceError, match=r"prepared with other settings .hashed_ids None"):
        prepare_openi(openi, tmp_path / "plain", options())


def test_one_salt_gives_one_patient_one_hash_in_all_data_sets(tmp_path: Path) -> None:
    synthesize_chexpert_5x200(tmp_path / "raw", studies=8, seed=1, image_size=64)
    prepare_chexpert_5x200(tmp_path / "raw", tmp_path / "test", options())
    synthesize_chexpert(tmp_path / "train", studies=8, seed=1, image_size=64)
    prepare_chexpert(tmp_path / "train", tmp_path / "out", options())
    prepare_chexpert(tmp_path / "train", tmp_path / "plain", options(salt=None))
    known = {study.patient: Ids(SALT).code(study.patient) for study in read_manifest(tmp_path / "plain")}
    assert {study.patient for study in read_manifest(tmp_path / "out")} == set(known.values())


def test_a_test_set_with_hashed_patients_is_not_taken_out_of_the_training_set(tmp_path: Path) -> None:
    synthesize_chexpert(tmp_path / "raw", studies=8, seed=1, image_size=64)
    prepare_chexpert(tmp_path / "raw", tmp_path / "hashed", options())
    with pytest.raises(SourceError, match=r"are hashed.*give the CSV of the test set"):
        prepare_chexpert(tmp_path / "raw", tmp_path / "out", options(), exclude=tmp_path / "hashed")


def test_a_salt_is_read_from_a_file(tmp_path: Path) -> None:
    salt, out = tmp_path / "salt.txt", tmp_path / "out"
    salt.write_bytes(SALT + b"\n")
    assert read_salt(salt, out=out) == Ids(SALT)
    salt.write_bytes(b"short\n")
    with pytest.raises(SourceError, match="the salt has 5 bytes; it must have at least 16"):
        read_salt(salt, out=out)
    with pytest.raises(SourceError, match=r"cannot be read \(No such file or directory\): make one"):
        read_salt(tmp_path / "absent", out=out)
    with pytest.raises(SourceError, match=r"lies in .*out, which is to hold no id"):
        read_salt(out / "salt.txt", out=out)


def test_comments_of_jpeg_files_are_not_kept(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "raw" / "a.jpg", seed=1)
    with Image.open(tmp_path / "raw" / "a.jpg") as picture:
        exif = Image.Exif()
        exif[0x010E] = "Doe, Jane"
        stream = io.BytesIO()
        picture.save(stream, "JPEG", comment=b"Doe, Jane, 1999", exif=exif)
    (tmp_path / "raw" / "a.jpg").write_bytes(stream.getvalue() + b"Doe, Jane")
    (tmp_path / "raw" / "own.csv").write_text("image,impression\na.jpg,Normal.\n")
    prepare_table(tmp_path / "raw", tmp_path / "out", options(salt=None))
    assert b"Doe" not in written(tmp_path / "out")
