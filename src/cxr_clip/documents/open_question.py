"""How a document says that no file of a run or a data set answers a question."""

OPEN = "open: to be answered by the authors"


def or_open(answer: str | None) -> str:
    """The answer, or that it is open."""
    return answer or OPEN


def partly(answer: str | None, rest: str) -> str | None:
    """An answer with what of it is still open; nothing where there is no answer."""
    return None if answer is None else f"{answer} {rest}: {OPEN.removeprefix('open: ')}."
