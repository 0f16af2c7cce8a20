"""The quickstart on made-up studies: zero-shot with both kinds of prompts, retrieval, time and memory."""

from table_of import Results, interval, row


def quickstart(results: Results) -> str:
    """The quickstart on made-up studies: zero-shot with both kinds of prompts, retrieval, time and memory."""
    benchmarks = results["benchmarks"]
    retrieval = benchmarks["retrieval"]
    lines = [row(["figure", "value (95 % interval)", "chance"]), row(["---"] * 3)]
    for style in ("standard", "paraphrase"):
        lines.append(
            row(
                [
                    f"zero-shot macro AUROC, {style} prompts",
                    interval(benchmarks[f"zero_shot/{style}"]["auroc/macro"]),
                    "0.5",
                ]
            )
        )
    for direction in ("image_to_text", "text_to_image"):
        name = f"{direction}/recall_at_10"
        chance = f"{retrieval[name + '_chance']['value']:.3f}"
        lines.append(row([f"{direction.replace('_', ' ')} R@10", interval(retrieval[name]), chance]))
    lines.append(row([f"minutes ({results['machine']})", f"{results['seconds'] / 60:.1f}", ""]))
    lines.append(row(["peak memory, GB", f"{results['peak_memory_gb']:.1f}", ""]))
    return "\n".join(lines) + "\n"


TABLES = {"quickstart": quickstart}
