"""The loss of large batches: seconds and extra memory, with whole matrices and by tiles."""

from table_of import Results, row


def loss(results: Results) -> str:
    """The loss of large batches: seconds and extra memory, with whole matrices and by tiles."""
    head = ["studies", "whole, s", "tiles, s", "tiles / whole", "whole, GB extra", "tiles, GB extra"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        whole, tiles = case.get("whole"), case["tiles"]
        told = (f"{whole['seconds']:.2f}", f"{tiles['seconds'] / whole['seconds']:.2f}") if whole else ("no room", "")
        memory = f"{whole['extra_gb']:.2f}" if whole else ""
        seconds, extra = f"{tiles['seconds']:.2f}", f"{tiles['extra_gb']:.2f}"
        lines.append(row([f"{case['studies']:,}", told[0], seconds, told[1], memory, extra]))
    return "\n".join(lines) + "\n"


TABLES = {"loss": loss}
