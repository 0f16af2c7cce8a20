"""Open-I: each variant and seed, AUROC by finding and retrieval, with 95 % intervals."""

from table_of import Results, interval, row


def openi(results: Results) -> str:
    """Open-I: each variant and seed, AUROC by finding and retrieval, with 95 % intervals."""
    findings = [
        name.removeprefix("auroc/")
        for name in results["runs"][0]["benchmarks"]["zero_shot/standard"]
        if name.startswith("auroc/") and name != "auroc/macro"
    ]
    columns = ["macro", *findings]
    lines = [row(["variant", "seed", *columns, "R@10 image→text", "times chance"])]
    lines.append(row(["---"] * (len(columns) + 4)))
    for run in results["runs"]:
        zero_shot, retrieval = run["benchmarks"]["zero_shot/standard"], run["benchmarks"]["retrieval"]
        recall = retrieval["image_to_text/recall_at_10"]
        chance = retrieval["image_to_text/recall_at_10_chance"]["value"]
        cells = [interval(zero_shot[f"auroc/{name}"]) for name in columns]
        lines.append(
            row([run["variant"], str(run["seed"]), *cells, interval(recall), f"{recall['value'] / chance:.1f}"])
        )
    return "\n".join(lines) + "\n"


TABLES = {"openi": openi}
