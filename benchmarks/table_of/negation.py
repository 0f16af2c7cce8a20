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
    """Each figure before, without and with hard negatives, and the mean difference over seeds."""
    head = ["figure", "the run", "learned on without", "with hard negatives", "difference"]
    lines = [row(head), row(["---"] * len(head))]
    for name, words in FIGURES.items():
        found = results["changes"].get(name)
        if found is not None:
            means = (results["start"][name], found["without"], found["with"])
            lines.append(row([words, *(f"{value:.3f}" for value in means), interval(found)]))
    model, seeds = results["model"], len(results["seeds"])
    return "\n".join(lines) + (
        f"\n\nThe run: the quickstart's recipe at {model['image_size']} px, {model['epochs']} epochs. It learns on for "
        f"{results['epochs']} epochs on {results['training']:,} made-up studies with reports, image tower locked, and "
        f"is measured on {results['evaluated']:,} others. Means over {seeds} seeds; the interval of the mean "
        "difference is Student's t over seeds.\n"
    )


TABLES = {"negation": negation}
