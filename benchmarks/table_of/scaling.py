"""What a second worker brings: seconds of a step on one and on two workers, medians of sessions."""

import statistics

from table_of import Results, row


def scaling(results: Results) -> str:
    """One line for each number of workers, then what was measured."""
    seconds = {int(count): statistics.median(values) for count, values in results["seconds_a_step"].items()}
    lines = [row(["workers", "seconds a step", "times as fast as one"]), row(["---"] * 3)]
    lines += [row([count, f"{value:.2f}", f"{seconds[1] / value:.2f}"]) for count, value in seconds.items()]
    told = f"{results['studies_a_batch']} studies of two {results['pixels']}-pixel pictures and two texts of "
    return "\n".join(lines) + f"\n\n{told}{results['tokens']} tokens; {results['machine']}.\n"


TABLES = {"scaling": scaling}
