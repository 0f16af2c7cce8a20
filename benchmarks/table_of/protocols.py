"""The benchmarks of `evaluate`, from their records."""

from table_of import Results, row


def protocols(_results: Results) -> str:
    """The benchmarks of `evaluate`, from their records."""
    from cxr_clip.evaluate.benchmark_rows import HEAD, rows

    lines = [row(HEAD), row(["---"] * len(HEAD))]
    lines += [row([f"`{name}`", f"`{short}`", part, how]) for name, short, part, how in rows()]
    return "\n".join(lines) + "\n"


RESULTS: Results = {}  # the table is made from the package itself
TABLES = {"protocols": protocols}
