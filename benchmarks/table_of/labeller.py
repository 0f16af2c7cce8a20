"""The labeller of reports: each finding, by the reports that the phrases were tried on and by the others."""

from table_of import Results, row


def labeller(results: Results) -> str:
    """The labeller of reports: each finding, by the reports that the phrases were tried on and by the others.

    F1? counts "uncertain" as positive, the other figures count it as not positive.
    """
    names = ("train and validate", "test")
    kinds = ("cases", "precision", "recall", "F1", "F1?")
    lines = [row(["finding", *(f"{name}: {kind}" for name in names for kind in kinds)])]
    lines.append(row(["---"] * (1 + len(names) * len(kinds))))
    splits = [results["splits"][name] for name in names]
    pairs = [(split["uncertain_is_not_positive"], split["uncertain_is_positive"]) for split in splits]
    for finding in pairs[0][0]["findings"]:
        cells = (_of_finding(stated["findings"][finding], doubted["findings"][finding]) for stated, doubted in pairs)
        lines.append(row([finding, *(cell for part in cells for cell in part)]))
    for mean in ("micro", "macro"):
        cells = (_of_finding(stated[mean], doubted[mean]) for stated, doubted in pairs)
        lines.append(row([mean, *(cell for part in cells for cell in part)]))
    return "\n".join(lines) + "\n"


def _of_finding(stated: dict[str, float], doubted_too: dict[str, float]) -> list[str]:
    """The cells of one finding in some reports; without a case in the reference only the count."""
    cases = stated.get("hits", 0) + stated.get("missed", 0)
    if "hits" in stated and not cases:
        return ["0", "", "", "", ""]
    figures = [stated["precision"], stated["recall"], stated["f1"], doubted_too["f1"]]
    return [str(cases) if "hits" in stated else "", *(f"{figure:.2f}" for figure in figures)]


TABLES = {"labeller": labeller}
