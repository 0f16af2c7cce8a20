"""How long commands take to answer: medians, on the clock and of the processor."""

from table_of import Results, row


def startup(results: Results) -> str:
    """How long commands take to answer: medians, on the clock and of the processor."""
    lines = [row(["command", "seconds", "of the processor"]), row(["---"] * 3)]
    for name, seconds in results["seconds"].items():
        lines.append(row([f"`{name}`", f"{seconds['clock']:.2f}", f"{seconds['processor']:.2f}"]))
    return "\n".join(lines) + "\n"


TABLES = {"startup": startup}
