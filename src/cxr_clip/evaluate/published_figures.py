"""The figures of the paper's models beside ours, with their source; `resources/published_figures.yaml` has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class Published:
    """What is published of one benchmark: values by the name of the figure, the model, and what is not alike."""

    model: str
    values: Mapping[str, float]
    source: str
    remark: str | None = None

    @property
    def whose(self) -> str:
        """Whose figures these are, and where they come from."""
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.model}{remark}. Source: {self.source}."

    @property
    def note(self) -> str:
        """What stands below a table with a column of published figures."""
        return f"Published: {self.whose}"


def published_of(benchmark: str) -> Published | None:
    """The published figures of a benchmark, by its name; None where there are none."""
    return _table().get(benchmark)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Published]:
    content: Any = yaml.safe_load(
        files("cxr_clip").joinpath("resources", "published_figures.yaml").read_text(encoding="utf-8")
    )
    return {
        name: Published(row["model"], row["values"], content["source"], row.get("remark"))
        for row in content["figures"]
        for name in row["benchmarks"]
    }
