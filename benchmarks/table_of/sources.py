"""Made-up and real folders, prepared and inspected."""

from table_of import Results, row


def miniatures(results: Results) -> str:
    """Made up, prepared, inspected: counts beside the miniature's own truth, and its planted faults."""
    head = ["made-up source", "studies", "images", "counts unlike the truth", "planted", "named", "others left out"]
    lines = [row(head), row(["---"] * len(head))]
    for name, found in results["miniatures"].items():
        truth, here = found["truth"], found["inspected"]
        unlike = sum(truth[key] != here[key] for key in truth)
        numbers = (here["studies"], here["images"], unlike, found["planted"], found["planted_and_named"])
        lines.append(row([f"`{name}`", *map(str, numbers), str(found["named_and_not_planted"])]))
    return "\n".join(lines) + "\n"


def real(results: Results) -> str:
    """Real folders: what they hold, what was prepared, left out and absent, and what it cost."""
    head = [
        "real folder",
        "it holds",
        "studies",
        "images",
        "absent",
        "left out",
        "faults",
        "minutes",
        "stored",
        "memory",
    ]
    lines = [row(head), row(["---"] * len(head))]
    for name, found in results["real"].items():
        here = found["inspected"]
        truth = "; ".join(f"{key} {_told(value)}" for key, value in found["truth"].items())
        left_out = "; ".join(f"{count:,} {reason}" for reason, count in found["rejected"].items()) or "nothing"
        lines.append(
            row(
                [
                    name,
                    truth,
                    f"{here['studies']:,} ({_told(here['splits'])})",
                    f"{here['images']:,}",
                    f"{found['absent']:,}",
                    left_out,
                    str(len(found["faults_found_by_inspect"])),
                    f"{found['minutes_to_prepare']:.1f} + {found['minutes_to_inspect']:.1f}",
                    f"{found['megabytes_stored']:.0f} MB",
                    f"{found['peak_memory_mb_of_all_processes']} MB",
                ]
            )
        )
    return "\n".join(lines) + "\n"


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(count)}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


TABLES = {"miniatures": miniatures, "real": real}
