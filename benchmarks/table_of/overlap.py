"""The overlap audit: what it finds, and how long that takes."""

from table_of import Results, row


def overlap(results: Results) -> str:
    """What was planted and found, by hash and by embedding, on made-up and real pictures; how many hits are right."""
    worlds = results["planted"]
    ways = ("hash", "embedding", "hash or embedding")
    lines = [row(["planted", *(f"{world}: {way}" for world in worlds for way in ways)])]
    lines.append(row(["---"] * (1 + len(ways) * len(worlds))))
    for what in next(iter(worlds.values()))["planted"]:
        found = [world["planted"][what] for world in worlds.values()]
        own = [way for way in ("patient", "report") if found[0]["found by"][way]]
        cells = [_share(one["found by"].get(own[0] if own else way), one["planted"]) for one in found for way in ways]
        lines.append(row([f"{what}{f' (by {own[0]})' if own else ''}", *cells]))
    for kind in ("patient", "equal image", "same pixels", "near image", "near embedding", "equal report"):
        if not any(kind in world["kinds"] for world in worlds.values()):
            continue
        cells = [_hits(world["kinds"].get(kind)) for world in worlds.values()]
        lines.append(row([f"right of all hits: {kind}", *(cell for one in cells for cell in (one, "", ""))]))
    return "\n".join(lines) + "\n"


def _share(found: int | None, planted: int) -> str:
    return "" if found is None else f"{found / planted:.2f}"


def _hits(found: Results | None) -> str:
    return "" if found is None else f"{found['right']} of {found['hits']}"


def comparisons(results: Results) -> str:
    """How long comparing takes, without reading or embedding images, and the memory that it needs."""
    head = ["way", "evaluated images", "training images", "seconds", "of the processors", "extra MB"]
    lines = [row(head), row(["---"] * len(head))]
    for one in results["speed"]:
        counts = (f"{one[name]:,}" for name in ("evaluated", "trained"))
        numbers = (f"{one['seconds']:.1f}", f"{one['processor']:.1f}", f"{one['extra_mb']}")
        lines.append(row([one["way"], *counts, *numbers]))
    return "\n".join(lines) + f"\n\n{results['machine']}, with other work beside.\n"


TABLES = {"overlap": overlap, "comparisons": comparisons}
