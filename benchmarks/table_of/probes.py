"""How far a run depends on the words of prompts, what it understands of them, and how sides and grades are read."""

from collections.abc import Mapping
from typing import Any

from table_of import Results, interval, row

DATA_SETS = {"openi": "Open-I", "chestxray14": "ChestX-ray14"}
WORDING = {
    "median/macro": "median wording",
    "lowest/macro": "worst wording",
    "highest/macro": "best wording",
    "deviation/macro": "standard deviation over wordings",
    "together/macro": "all together",
    "gain/macro": "all together minus median",
}
MEANING = {
    "negation/macro": ("negation", "0.5"),
    "negation_of_positives/macro": ("negation, positive studies", ""),
    "negation_of_negatives/macro": ("negation, negative studies", ""),
    "uncertainty/macro": ("uncertainty", "0.167"),
    "side/macro": ("side", "0.5"),
    "severity/macro": ("severity", "0"),
    "text_negation/macro": ("cosine of a sentence with its denial", ""),
    "text_paraphrase/macro": ("cosine with other words for the same", ""),
    "text_paraphrase_nearer/macro": ("other words nearer than the denial", "0.5"),
}


def wording(results: Results) -> str:
    """Macro AUROC by wording and its spread, a column for each data set."""
    found = _of_kind(results, "wording")
    alone = [name for name in next(iter(found.values())) if name.startswith("auroc/") and name.endswith("/macro")]
    names = {**{name: name.split("/")[1] for name in alone}, **WORDING}
    lines = [row(["macro AUROC", *(DATA_SETS[source] for source in found)]), row(["---"] * (1 + len(found)))]
    lines += [row([words, *(interval(figures[name]) for figures in found.values())]) for name, words in names.items()]
    return "\n".join(lines) + f"\n\n{_model(results)}\n"


def meaning(results: Results) -> str:
    """The mean over findings of each opposite, a column for each data set."""
    found = _of_kind(results, "meaning")
    lines = [row(["mean over findings", *(DATA_SETS[source] for source in found), "chance"])]
    lines.append(row(["---"] * (2 + len(found))))
    for name, (words, chance) in MEANING.items():
        cells = [_shown(figures[name]) if name in figures else "not known" for figures in found.values()]
        lines.append(row([words, *cells, chance]))
    return "\n".join(lines) + f"\n\n{_model(results)}\n"


def told(results: Results) -> str:
    """How many sides and grades of made-up studies are read right, wrong, or not at all."""
    lines = [row(["made-up studies", "asked", "right", "wrong", "not known"]), row(["---"] * 5)]
    for world, counts in results["read"].items():
        known = {asked: answers for asked, answers in counts.items() if answers["right"] + answers["wrong"]}
        for asked, answers in known.items():
            lines.append(row([f"{results['made_up_studies']:,} with {world}", asked, *map(str, answers.values())]))
    return "\n".join(lines) + "\n"


def _of_kind(results: Results, kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The figures by data set."""
    return {
        name.split("/")[1]: one["figures"]
        for name, one in results["benchmarks"].items()
        if name.startswith(f"{kind}/") and one["figures"]
    }


def _shown(figure: Mapping[str, float]) -> str:
    return interval(dict(figure)) if figure["low"] < figure["high"] else f"{figure['value']:.3f}"


def _model(results: Results) -> str:
    """Which run was measured."""
    model, benchmarks = results["model"], results["benchmarks"]
    counts = dict.fromkeys(f"{one['studies']:,} of {DATA_SETS[name.split('/')[1]]}" for name, one in benchmarks.items())
    return (
        f"A run of the {model['recipe']} recipe ({model['image_size']} px, {model['epochs']} epochs); test studies: "
        f"{', '.join(counts)}, made-up ones."
    )


TABLES = {"wording": wording, "meaning": meaning, "told": told}
