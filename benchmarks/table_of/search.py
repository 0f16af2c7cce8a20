"""Search: both kinds of index on one thread, and a folder as the command opens it."""

from table_of import Results, row


def search(results: Results) -> str:
    """Each kind of index on both made-up data sets: time, recall, disk and memory."""
    head = [
        "vectors",
        "index",
        "built, s",
        "recall@10",
        "1 query, ms",
        "64 queries, ms",
        "disk, MB",
        "memory after a query, MiB",
    ]
    lines = [row(head), row(["---"] * len(head))]
    for data in ("clustered", "uniform"):
        for one in results[data]:
            index = "exact"
            if one["kind"] == "lists":
                index = f"{one['looked_through']:,} of {one['lists']:,} lists" + (" (chosen)" if one["chosen"] else "")
            grown = one["memory_mib"]["after_a_query"]
            times = (f"{one['one_query_ms']:.2f}", f"{one['batch_ms']:.0f}", f"{one['disk_mb']:.0f}", f"{grown:.0f}")
            lines.append(row([data, index, f"{one['build_seconds']:.1f}", f"{one['recall_at_10']:.3f}", *times]))
    return "\n".join(lines) + "\n"


def folder(results: Results) -> str:
    """What a folder takes: an exact index with everything around it."""
    found = results["folder"]
    names = {
        "build_and_open_seconds": "build and open, s",
        "open_seconds": "open, digests and all, s",
        "search_ms": "search of ten studies, ms",
        "search_one_finding_ms": "the same among studies with one finding, ms",
        "add_64_rows_seconds": "replace 64 rows, s",
        "disk_mb": "disk, MB",
    }
    lines = [row(["a folder, exact", ""]), row(["---"] * 2)]
    lines += [row([words, f"{found[name]:,}"]) for name, words in names.items()]
    return "\n".join(lines) + "\n"


TABLES = {"search": search, "searchfolder": folder}
