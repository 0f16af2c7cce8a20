"""One row of a table of figures on the report page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FigureRow:
    """One figure; what chance gives, how much better it is and what is published are empty where there is nothing."""

    group: str
    figure: str
    value: str
    interval: str
    chance: str = ""
    times: str = ""
    published: str = ""
