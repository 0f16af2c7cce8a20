"""How long a newcomer's path takes, step by step."""

from table_of import Results, row


def new_user(results: Results) -> str:
    """One line for each step, then their sum and what it was measured on."""
    lines = [row(["step", "seconds"]), row(["---", "---"])]
    lines += [row([step, f"{value:.1f}"]) for step, value in results["seconds"].items()]
    minutes = sum(results["seconds"].values()) / 60
    return "\n".join(lines) + f"\n\n{minutes:.1f} minutes in all; {results['machine']}.\n"


TABLES = {"newcomer": new_user}
