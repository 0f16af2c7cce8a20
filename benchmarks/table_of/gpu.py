"""Training on one GPU: each tower and batch, as it is and compiled; what failed, in words."""

from table_of import Results, row


def gpu(results: Results) -> str:
    """Training on one GPU: each tower and batch, as it is and compiled; what failed, in words."""
    head = [
        "image tower",
        "form",
        "batch",
        "images a second",
        "share of the matrix peak",
        "waiting for data",
        "memory, GB",
    ]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        cells = [case["tower"], case["form"], f"{case['batch']:,}"]
        if case["outcome"] == "measured":
            cells += [f"{case['images_a_second']:,.0f}", f"{100 * case['share_of_peak']:.0f} %"]
            memory = case["peak_memory_gb"]
            cells += [f"{100 * case['waiting_for_data']:.0f} %", "" if memory is None else f"{memory:.1f}"]
        else:
            cells += [case["outcome"], "", "", ""]
        lines.append(row(cells))
    machine = f"{results['machine']}, {results['cores']} cores, torch {results['torch']}"
    return (
        "\n".join(lines) + f"\n\n{machine}; matrix peak in bf16 {results['peak_bf16_tflops']:.0f} TFLOP/s, measured.\n"
    )


TABLES = {"gpu": gpu}
