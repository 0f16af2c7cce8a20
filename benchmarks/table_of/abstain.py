"""How often a run abstains, by kind of picture: each group of manifests a column, with embeddings alone beside."""

from table_of import Results, row


def abstain(results: Results) -> str:
    """How often a run abstains, by kind of picture: each group of manifests a column, with embeddings alone beside."""
    measured = results["groups"]
    lines = [row(["pictures", *(f"{name}: refused (by embeddings alone)" for name in measured)])]
    lines.append(row(["---"] * (1 + len(measured))))
    groups = {"chest": "", "no_chest": "", "changed": "test images, "}
    for group, words in groups.items():
        for kind in next(iter(measured.values()))[group]:
            found = [result[group][kind] for result in measured.values()]
            counts = "/".join(dict.fromkeys(str(one["pictures"]) for one in found))
            shares = [f"{one['refused']:.1%} ({one['by_embeddings_alone']:.1%})" for one in found]
            lines.append(row([f"{words}{kind} ({counts})", *shares]))
    return "\n".join(lines) + "\n"


TABLES = {"abstain": abstain}
