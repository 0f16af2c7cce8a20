"""Trained on one house style of reports, measured on each: retrieval, and zero-shot AUROC."""

from table_of import Results, interval, row


def house_styles(results: Results) -> str:
    """A row for each style of the training, a column for each style of the test."""
    trained = results["trained_on"]
    styles = list(trained)
    words = [style.replace("_", " ") for style in styles]
    lines = [row(["trained on", *(f"R@10 on {word}" for word in words), "AUROC"]), row(["---"] * (len(styles) + 2))]
    for style, word in zip(styles, words, strict=True):
        found = trained[style]
        cells = [interval(found[tested]) for tested in styles]
        lines.append(row([word, *cells, interval(found["auroc/macro"])]))
    return "\n".join(lines) + (
        f"\n\n{results['training']:,} made-up studies, the same pictures in every row, {results['epochs']} epochs "
        f"from random weights, one seed; measured on {results['evaluated']:,} others. R@10 from image to text; 95 % "
        "bootstrap intervals by patient.\n"
    )


TABLES = {"housestyles": house_styles}
