"""Raw folders are walked once, however they were unpacked."""

from pathlib import Path

import pytest

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import list_files, read_columns, read_csv


def test_files_are_found_at_any_depth_through_links_but_not_hidden_ones(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for name in ("b/2.png", "a/deep/1.PNG", "a/list.csv", "list.csv", "a/._1.png", ".git/3.png"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "4.png").touch()
    (raw / "linked").symlink_to(tmp_path / "elsewhere")
    (raw / "a" / "loop").symlink_to(raw)
    files = list_files(raw)
    assert [path.as_posix() for path in files.with_suffix(".png")] == ["a/deep/1.PNG", "b/2.png", "linked/4.png"]
    assert files.named("list.csv") == raw / "list.csv"
    assert files.named("other.csv", "2.png") == raw / "b" / "2.png"
    assert files.named("other.csv") is None
    with pytest.raises(SourceError, match=r"has no x.csv or y.csv \(the labels\).*put the file there"):
        files.require("x.csv", "y.csv", what="the labels")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no folder .*raw"):
        list_files(tmp_path / "raw")


def test_columns_are_read_by_name_whatever_their_order(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"\xef\xbb\xbfuid, view ,x\r\n1,Frontal,\r\n\r\n2, Lateral,y\r\n")
    assert list(read_columns(file, ("view", "uid"))) == [("Frontal", "1"), ("Lateral", "2")]


def test_tables_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    with pytest.raises(SourceError, match="cannot be read as CSV"):
        read_csv(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="cannot be read as CSV"):
        read_csv(file)
    file.write_text("")
    with pytest.raises(SourceError, match="is empty"):
        read_csv(file)
    file.write_text("uid,view\n1,a\n2\n")
    with pytest.raises(SourceError, match="no column split; its columns are uid, view"):
        list(read_columns(file, ("uid", "split")))
    with pytest.raises(SourceError, match="line 3 has 1 values"):
        list(read_columns(file, ("uid", "view")))
