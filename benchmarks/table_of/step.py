"""A training step on one thread: seconds of the processor by part, ours and the plain form."""

from table_of import Results, row


def step(results: Results) -> str:
    """A training step on one thread: seconds of the processor by part, ours and the plain form."""
    parts = ("images", "texts", "loss", "optimizer")
    head = ["images, precision", "form", *parts, "step", "times the plain form", "on the clock"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        sums = {form: sum(case[form]["processor_seconds"].values()) for form in ("plain", "ours")}
        for form, total in sums.items():
            seconds = (f"{case[form]['processor_seconds'][part]:.3f}" for part in parts)
            clock = sum(case[form]["clock_seconds"].values())
            ratio = f"{sums['plain'] / total:.1f}" if form == "ours" else ""
            name = f"{case['images']}, {case['precision']}"
            lines.append(row([name, form, *seconds, f"{total:.2f}", ratio, f"{clock:.2f}"]))
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(lines) + f"\n\nSeconds; {results['machine']}; {versions}; medians of {results['rounds']}.\n"


TABLES = {"step": step}
