"""Hard negatives: what they change in the probes of opposite meanings, and what they cost."""

from table_of import Results, interval, row

FIGURES = {
    "meaning negation/macro": "`negation`",
    "meaning negation_of_positives/macro": "`negation_of_positives`",
    "meaning negation_of_negatives/macro": "`negation_of_negatives`",
    "meaning uncertainty/macro": "`uncertainty`",
    "meaning side/macro": "`side`",
    "meaning severity/macro": "`severity`",
    "meaning text_negation/macro": "`text_negation`",
    "meaning text_paraphrase/macro": "`text_paraphrase`",
    "zero_shot/standard auroc/macro": "zero-shot AUROC",
    "retrieval image_to_text/recall_at_10": "R@10, image to text",
    "retrieval text_to_image/recall_at_10": "R@10, text to image",
}


def negation(results: Results) -> str:
    """Each figure of the run before, without and with hard negatives, and the mean difference over seeds."""
    head = ["figure", "before", "on without", "on with hard negatives", "difference"]
    lines = [row(head), row(["---"] * len(head))]
    for name, words in FIGURES.items():
        found = results["changes"].get(name)
        if found is not None:
            values = (results["before"][name], found["without"], found["with"])
            lines.append(row([words, *(f"{value:.3f}" for value in values), interval(found)]))
    settings = ", ".join(f"`{one}`" for one in ("data.hard_negatives=1", *results["settings"]))
    return "\n".join(lines) + (
        f"\n\nFrom a quickstart's run {results['epochs']} more epochs at a learning rate of "
        f"{results['learning_rate']:g}, without and with {settings}; measured on {results['evaluated']:,} unseen "
        f"made-up studies. Means over {len(results['seeds'])} seeds; the interval of the mean difference is Student's "
        "t over seeds.\n"
    )


TABLES = {"negation": negation}
