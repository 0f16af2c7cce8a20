"""Rare findings on made-up studies: more draws against none, and findings that were never seen."""

from collections.abc import Sequence

from table_of import Results, interval, over_seeds, row

GROUPS = ("head", "middle", "tail")
FIGURES = {"auroc": "AUROC", "average_precision": "average precision"}


def rare(results: Results) -> str:
    """Each group with and without more draws of rare findings: mean figures over seeds, and the paired difference."""
    differences = ["rare minus uniform", "by seed", "over seeds"]
    head = ["group", "of the training", "figure", "uniform", "rare", *differences, "chance"]
    lines = [row(head), row(["---"] * len(head))]
    for name in GROUPS:
        group = results["groups"][name]
        for key, words in FIGURES.items():
            one = group[key]
            by_seed = list(one["difference_by_seed"].values())
            lines.append(
                row(
                    [
                        name,
                        f"{100 * group['training_share']:.1f} %",
                        words,
                        interval(one["uniform"]),
                        interval(one["rare"]),
                        interval(one["difference"]),
                        ", ".join(f"{value:+.3f}" for value in by_seed),
                        _over_seeds(by_seed),
                        "0.5" if key == "auroc" else f"{group['chance']:.3f}",
                    ]
                )
            )
    recall = results["recall"]
    chance = f"{recall['uniform']['image_to_text/recall_at_10_chance']:.3f}"
    uniform, drawn = (recall[arm]["image_to_text/recall_at_10"] for arm in ("uniform", "rare"))
    lines.append(
        row(["all", "", "R@10 image→text", f"{uniform:.3f}", f"{drawn:.3f}", f"{drawn - uniform:+.3f}", "", "", chance])
    )
    return "\n".join(lines) + "\n\n" + _under(results)


def unseen(results: Results) -> str:
    """Findings that were held out, beside the others and themselves where they were rare; empty without such runs."""
    held = results["held_out"]
    if held is None:
        return ""
    names = {
        "unseen": "held out: no training study states them",
        "seen": "the other findings of the same runs",
        "unseen minus seen": "held out minus the others",
        "the same findings as tail": "the same findings where they were rare",
        "unseen minus tail": "held out minus rare",
    }
    lines = [row(["findings", *FIGURES.values()]), row(["---"] * 3)]
    lines += [row([words, *(interval(held[key][name]) for key in FIGURES)]) for name, words in names.items()]
    return "\n".join(lines) + f"\n\nAverage precision of the held out by chance: {held['chance']:.3f}; AUROC 0.5.\n"


def _over_seeds(differences: Sequence[float]) -> str:
    """Where the mean lies with other seeds; empty where there is one."""
    if len(differences) < 2:
        return ""
    found = over_seeds(differences)
    return f"{found['low']:+.3f} to {found['high']:+.3f}"


def _under(results: Results) -> str:
    runs = results["runs"]
    studies, minutes = ([run[key] for run in runs] for key in ("training_studies", "minutes"))
    seeds = len({run["seed"] for run in runs})
    return (
        "In brackets: 95 % over test patients; over seeds: 95 % by Student's t. "
        f"{seeds} seeds; {min(studies):,} to {max(studies):,} training and {results['test_studies']:,} test studies; "
        f"runs of {min(minutes):.1f} to {max(minutes):.1f} minutes on a busy machine ({results['machine']}).\n"
    )


TABLES = {"rare": rare, "unseen": unseen}
