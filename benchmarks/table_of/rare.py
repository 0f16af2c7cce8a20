"""Rare findings on made-up studies: more draws against none, and findings that were never seen."""

from table_of import Results, interval, row

GROUPS = ("head", "middle", "tail")
FIGURES = {"auroc": "AUROC", "average_precision": "average precision"}


def rare(results: Results) -> str:
    """Each group with and without more draws of rare findings: mean figures over seeds, and the paired difference."""
    head = ["group", "of the training", "figure", "uniform", "rare", "rare minus uniform", "by seed", "chance"]
    lines = [row(head), row(["---"] * len(head))]
    for name in GROUPS:
        group = results["groups"][name]
        for key, words in FIGURES.items():
            one = group[key]
            seeds = ", ".join(f"{value:+.3f}" for value in one["difference_by_seed"].values())
            lines.append(
                row(
                    [
                        name,
                        f"{100 * group['training_share']:.1f} %",
                        words,
                        interval(one["uniform"]),
                        interval(one["rare"]),
                        interval(one["difference"]),
                        seeds,
                        "0.5" if key == "auroc" else f"{group['chance']:.3f}",
                    ]
                )
            )
    recall = results["recall"]
    chance = f"{recall['uniform']['image_to_text/recall_at_10_chance']:.3f}"
    uniform, drawn = (recall[arm]["image_to_text/recall_at_10"] for arm in ("uniform", "rare"))
    lines.append(
        row(["all", "", "R@10 image→text", f"{uniform:.3f}", f"{drawn:.3f}", f"{drawn - uniform:+.3f}", "", chance])
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


def _under(results: Results) -> str:
    runs = results["runs"]
    studies, minutes = ([run[key] for run in runs] for key in ("training_studies", "minutes"))
    seeds = len({run["seed"] for run in runs})
    return (
        f"{seeds} seeds; {min(studies):,} to {max(studies):,} training and {results['test_studies']:,} test studies; "
        f"runs of {min(minutes):.1f} to {max(minutes):.1f} minutes on a busy machine ({results['machine']}).\n"
    )


TABLES = {"rare": rare, "unseen": unseen}
