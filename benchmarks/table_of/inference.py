"""How long an embedding takes on a CPU, by tower, batch and form."""

from table_of import Results, row


def inference(results: Results) -> str:
    """Milliseconds of a batch by each form, and how many times faster than eager torch that is."""
    cases = results["cases"]
    names = [form["form"] for form in cases[0]["forms"]]
    head = ["tower, batch", *names]
    lines = [row(head), row(["---"] * len(head))]
    for case in cases:
        by_name = {form["form"]: form for form in case["forms"]}
        cells = [
            f"{by_name[name]['processor_milliseconds']:.1f} ({by_name[name]['times_faster']:.1f})" for name in names
        ]
        lines.append(row([f"{case['tower']}, {case['batch']}", *cells]))
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    threads = "one thread" if results["threads"] == 1 else f"{results['threads']} threads"
    return "\n".join(lines) + (
        "\n\nMilliseconds of the processor for a batch, and in brackets how many times faster than eager torch in the "
        f"same turns; {threads}; {results['machine']}; {versions}.\n"
    )


TABLES = {"inference": inference}
