"""What a second worker brings: seconds of a step on one and on two workers, medians of sessions."""

import statistics

from table_of import Results, row

WORDS = {"one": "one", "two": "two", "side by side": "two side by side, each with batches of its own"}


def scaling(results: Results) -> str:
    """One line for each way, then what was measured."""
    lines = [row(["workers", "seconds a step", "batches in the time of one"]), row(["---"] * 3)]
    for name, values in results["seconds_a_step"].items():
        times = results["times_as_fast"].get(name, 1.0)
        lines.append(row([WORDS[name], f"{statistics.median(values):.2f}", f"{times:.2f}"]))
    told = f"{results['studies_a_batch']} studies of two {results['pixels']}-pixel pictures and two texts of "
    return "\n".join(lines) + f"\n\n{told}{results['tokens']} tokens; {results['machine']}.\n"


TABLES = {"scaling": scaling}
