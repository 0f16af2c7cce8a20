"""Groups of patients, views of a study, grades of severity; and how often gaps are false alarms."""

from collections.abc import Iterator, Mapping
from typing import Any

from table_of import Results, interval, row

WORLDS = {"real": "real", "made_up": "made-up"}
DATA_SETS = {"openi": "Open-I", "chestxray14": "ChestX-ray14"}
FIGURES = {"auroc": "AUROC", "recall_at_10": "R@10"}
CHOICES = {"all": "all images", "frontal": "frontal alone", "lateral": "lateral alone"}
COMPARED = {
    "auroc/macro": "macro AUROC",
    "image_to_text/recall_at_10": "R@10, image→text",
    "text_to_image/recall_at_10": "R@10, text→image",
}


def subgroups(results: Results) -> str:
    """Every group that was compared."""
    lines = [row(["studies", "by", "group", "number", "macro AUROC", "R@10"]), row(["---"] * 6)]
    for words, found in _of_kind(results, "subgroups"):
        for group in found["subgroups"]["groups"]:
            if group["auroc"] or group["recall"]:
                area = interval(group["auroc"]) if group["auroc"] else "too few"
                recall = interval(group["recall"]) if group["recall"] else "too few" if group["queries"] else "no texts"
                lines.append(row([words, group["attribute"], group["name"], f"{group['studies']:,}", area, recall]))
    return "\n".join(lines) + f"\n\n{_models(results)}\n"


def gaps(results: Results) -> str:
    """The best group minus the worst, beside what groups give that are alike."""
    lines = [row(["studies", "by", "figure", "best", "worst", "gap", "by chance", "p corrected"]), row(["---"] * 8)]
    for words, found in _of_kind(results, "subgroups"):
        for gap in found["subgroups"]["gaps"]:
            cells = [gap["attribute"], FIGURES[gap["figure"]], gap["best"], gap["worst"], interval(gap["difference"])]
            lines.append(row([words, *cells, f"{gap['by_chance']:.3f}", f"{gap['adjusted']:.3f}"]))
    return "\n".join(lines) + "\n"


def alarms(results: Results) -> str:
    """How often alike groups are told apart."""
    found = results["alarms"]
    ways = {
        "interval_without_zero": "the interval of best minus worst leaves out 0",
        "p_below_level": "p of best and worst below 0.05",
        "adjusted_below_level": "p corrected below 0.05",
    }
    lines = [row(["groups that are alike are told apart by", "of the data sets"]), row(["---"] * 2)]
    lines += [row([words, f"{100 * found[name]:.1f} %"]) for name, words in ways.items()]
    return (
        "\n".join(lines)
        + f"\n\n{found['data_sets']:,} data sets: {found['groups']} groups of {found['studies']} studies, "
        + f"{found['findings']} findings, {100 * found['prevalence']:.0f} % positive. Mean gap "
        + f"{found['mean_gap']:.3f}; by chance as worked out from the resamples {found['mean_by_chance']:.3f}.\n"
    )


def views(results: Results) -> str:
    """All images of a study against single views."""
    lines = [row(["studies", "figure", *CHOICES.values(), "all minus frontal", "p corrected"]), row(["---"] * 7)]
    for words, found in _of_kind(results, "views"):
        adjusted = {one["figure"]: one["adjusted"] for one in found["differences"]}
        for name, figure in COMPARED.items():
            if f"{name}/all" in found["figures"]:
                cells = [interval(found["figures"][f"{name}/{choice}"]) for choice in CHOICES]
                gain = interval(found["figures"][f"gain/{name}/frontal"])
                lines.append(
                    row([f"{words}, {found['studies']}", figure, *cells, gain, f"{adjusted[f'{name}/frontal']:.3f}"])
                )
    return "\n".join(lines) + "\n"


def severity(results: Results) -> str:
    """Agreement with the grades that were drawn."""
    figures = results["made_up"]["table"]["severity"]["figures"]
    heads = [("spearman", "presence"), ("spearman", "degree"), ("kappa", "presence"), ("kappa", "degree")]
    lines = [row(["finding", *(f"{figure}, {score}" for figure, score in heads)]), row(["---"] * 5)]
    for finding in dict.fromkeys(name.split("/", maxsplit=2)[2] for name in figures):
        cells = [figures.get(f"{figure}/{score}/{finding}") for figure, score in heads]
        words = "mean over findings" if finding == "macro" else finding
        lines.append(row([words, *(interval(one) if one else "" for one in cells)]))
    studies = results["made_up"]["table"]["severity"]["studies"]
    return "\n".join(lines) + f"\n\n{studies} made-up test studies.\n"


def _of_kind(results: Results, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The data sets that have a benchmark, real ones first, with their words."""
    for world, words in WORLDS.items():
        for source, name in DATA_SETS.items():
            found = results.get(world, {}).get(source, {}).get(kind)
            if found is not None:
                yield f"{name}, {words}", found


def _models(results: Results) -> str:
    models = {words: results[world]["model"] for world, words in WORLDS.items() if world in results}
    said = (
        f"{words}: recipe {one['recipe']}, {one['image_size']} px, {one['epochs']} epochs"
        for words, one in models.items()
    )
    return "Runs, " + "; ".join(said) + "."


TABLES = {"subgroups": subgroups, "gaps": gaps, "alarms": alarms, "views": views, "severity": severity}
