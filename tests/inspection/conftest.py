"""A manifest that is sound, and copies of it with rows that were changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support_inspection import write_sound

Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Change], Path]:
    """A copy of the sound manifest whose rows were changed."""

    def make(change: Change) -> Path:
        folder = write_sound(tmp_path / "changed")
        file = folder / "manifest.parquet"
        table = pq.read_table(file)
        rows = table.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
        return folder

    return make
