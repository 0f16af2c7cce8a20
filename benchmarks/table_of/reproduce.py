"""The paper's comparison, an ablation and a learning curve on made-up studies: means over seeds, paired differences."""

from collections.abc import Mapping
from typing import Any

from cxr_clip.evaluate.compare_page import p_in_words
from table_of import Results, interval, row

FIGURES = {
    "auroc/macro": "macro AUROC",
    "image_to_text/recall_at_10": "R@10 image → text",
    "text_to_image/recall_at_10": "R@10 text → image",
}


def first_three(results: Results) -> str:
    """The arms of the paper's comparison, with what they took."""
    spent = (
        f"{results['first_three']['seeds']} seeds; chance: {_chance(results)}. All experiments together: "
        f"{results['runs']} runs, {results['processor_minutes_of_runs']:.0f} processor minutes; "
        f"{results['wall_minutes']:.0f} minutes on the clock{_in_sessions(results['sessions'])} ({results['machine']})."
    )
    return f"{_arms(results['first_three'])}\n{spent}\n"


def _in_sessions(count: int) -> str:
    return f" in {count} sessions" if count > 1 else ""


def verdicts(results: Results) -> str:
    """What the paper claims, and what came out."""
    lines = [row(["the paper's claim", "figure", "difference (95 %)", "p, corrected", "here"]), row(["---"] * 5)]
    for one in results["verdicts"]:
        contrast = one["contrast"]
        cells = [one["claim"]["words"], FIGURES[contrast["figure"]], _signed(contrast), f"{contrast['adjusted']:.3f}"]
        lines.append(row([*cells, one["outcome"]]))
    return "\n".join(lines) + "\n"


def ablation(results: Results) -> str:
    """The arms without a part of the method, and their differences."""
    return _with_differences(results.get("ablation"))


def learning_curve(results: Results) -> str:
    """Parts of the patients, and their differences to all of them."""
    return _with_differences(results.get("learning_curve"))


def control(results: Results) -> str:
    """The arm with two of each beside plain CLIP that saw as many."""
    return _with_differences(results.get("control"))


def _with_differences(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return ""
    against = compared["contrasts"][0]["against"]
    lines = [row([f"minus {against!r}, {compared['seeds']} seeds", *FIGURES.values()]), row(["---"] * 4)]
    for arm in dict.fromkeys(one["arm"] for one in compared["contrasts"]):
        found = {one["figure"]: one for one in compared["contrasts"] if one["arm"] == arm}
        lines.append(row([arm, *(_with_p(found.get(name)) for name in FIGURES)]))
    return f"{_arms(compared)}\n" + "\n".join(lines) + "\n"


def _arms(compared: Mapping[str, Any]) -> str:
    lines = [row(["arm", "studies", "steps", *FIGURES.values()]), row(["---"] * 6)]
    for arm in compared["arms"]:
        means = arm["means"]
        cells = [interval(means[name]["estimate"]) if name in means else "" for name in FIGURES]
        lines.append(row([arm["name"], f"{arm['studies']:,}", f"{arm['steps']:,}", *cells]))
    return "\n".join(lines) + "\n"


def _chance(results: Results) -> str:
    chance = results["first_three"]["chance"]
    return ", ".join(f"{words} {chance[name]:.3f}" for name, words in FIGURES.items() if name in chance)


def _signed(contrast: Mapping[str, Any]) -> str:
    change = contrast["difference"]["estimate"]
    return f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})"


def _with_p(contrast: Mapping[str, Any] | None) -> str:
    return "" if contrast is None else f"{_signed(contrast)}, p {p_in_words(contrast['adjusted'])}"


TABLES = {
    "firstthree": first_three,
    "verdicts": verdicts,
    "parts": ablation,
    "learningcurve": learning_curve,
    "control": control,
}
