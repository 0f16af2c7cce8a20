"""Labels of many studies or images in memory, one byte for each finding."""

from collections.abc import Mapping, Sequence

from cxr_clip.study import Certainty

_CODES = (None, *Certainty)


class PackedLabels:
    """Findings by number; `names` are those that are held, in the order in which they come back."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._codes = bytearray()

    def __len__(self) -> int:
        return len(self._codes) // len(self._names)

    def append(self, findings: Mapping[str, Certainty]) -> int:
        """Keep findings and return their number."""
        self._codes += bytes(_CODES.index(findings.get(name)) for name in self._names)
        return len(self) - 1

    def __getitem__(self, number: int) -> dict[str, Certainty]:
        start = number * len(self._names)
        codes = self._codes[start : start + len(self._names)]
        told = ((name, _CODES[code]) for name, code in zip(self._names, codes, strict=True))
        return {name: certainty for name, certainty in told if certainty is not None}
