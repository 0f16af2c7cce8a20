"""Evaluation after the embedding: ours and the plain form."""

from table_of import Results, row


def evaluation(results: Results) -> str:
    """Seconds and extra memory of each form."""
    head = ["studies", "form", "seconds", "processor seconds", "MB extra"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        times = (f"{case['seconds']:.1f}", f"{case['processor_seconds']:.1f}")
        lines.append(row([f"{case['studies']:,}", case["case"], *times, f"{case['extra_bytes'] / 1e6:.0f}"]))
    return "\n".join(lines) + f"\n\n{results['cores']} cores at a load of {results['load']:.0f}.\n"


TABLES = {"evaluation": evaluation}
