"""What each option for small machines saves: weights that train and memory of activations."""

from table_of import Results, row


def kept(results: Results) -> str:
    """What each option for small machines saves: weights that train and memory of activations."""
    head = ["option", "weights that train, millions", "kept for the backward pass, MB a study"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["options"]:
        millions = f"{case['training_weights'] / 1e6:.1f}"
        lines.append(row([case["option"], millions, f"{case['kept_mb_per_study']:.0f}"]))
    return "\n".join(lines) + "\n"


TABLES = {"kept": kept}
