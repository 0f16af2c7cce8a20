"""Writes the tables of README.md and docs from benchmarks/results/*.json, between their markers.

python benchmarks/tables.py           # rewrite
python benchmarks/tables.py --check   # exit code 1 if a table is not what its results say

A table whose results file is absent stays empty.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
Results = dict[str, Any]
BLOCK = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL)


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


def quickstart(results: Results) -> str:
    """The quickstart on made-up studies: zero-shot with both kinds of prompts, retrieval, time and memory."""
    benchmarks = results["benchmarks"]
    retrieval = benchmarks["retrieval"]
    lines = [row(["figure", "value (95 % interval)", "chance"]), row(["---"] * 3)]
    for style in ("standard", "paraphrase"):
        lines.append(
            row(
                [
                    f"zero-shot macro AUROC, {style} prompts",
                    interval(benchmarks[f"zero_shot/{style}"]["auroc/macro"]),
                    "0.5",
                ]
            )
        )
    for direction in ("image_to_text", "text_to_image"):
        name = f"{direction}/recall_at_10"
        chance = f"{retrieval[name + '_chance']['value']:.3f}"
        lines.append(row([f"{direction.replace('_', ' ')} R@10", interval(retrieval[name]), chance]))
    lines.append(row([f"minutes ({results['machine']})", f"{results['seconds'] / 60:.1f}", ""]))
    lines.append(row(["peak memory, GB", f"{results['peak_memory_gb']:.1f}", ""]))
    return "\n".join(lines) + "\n"


def rates(results: Results) -> str:
    """Preparation by format: images a second, the bare decoder, how much of the time is its own."""
    lines = [row(["file", "MB", "images a second a core", "bare decoder", "share of the bare decoder"])]
    lines.append(row(["---"] * 5))
    for name, found in results["one_core"].items():
        numbers = (found["megabytes"], found["images_a_second"], found["bare_decodes_a_second"])
        lines.append(row([name, *map(str, numbers), f"{found['bare_decode_share']:.2f}"]))
    small, large = results["peak_memory_mb"].items()
    told = (f"{name.split('_')[0]} studies {peak:.0f} MB" for name, peak in (small, large))
    return "\n".join(lines) + f"\n\nPeak memory of one process: {', '.join(told)}.\n"


def cost(results: Results) -> str:
    """What all images of MIMIC-CXR cost, from the measured rates and the bytes of stored pictures."""
    lines = [row(["if all files are", "2 cores", "32 cores", "read in all", "read a second by 32 cores"])]
    lines.append(row(["---"] * 5))
    for name, found in results["one_core"].items():
        seconds, bytes_read = MIMIC_IMAGES / found["images_a_second"], MIMIC_IMAGES * found["megabytes"]
        times = [duration(seconds / cores) for cores in (2, 32)]
        lines.append(row([name, *times, f"{bytes_read / 1e6:.2f} TB", f"{bytes_read / seconds * 32 / 1e3:.1f} GB"]))
    stored = results["stored_bytes_of_real_pictures"]
    one, in_all = ([f"{stored[name] * count:.0f}" for name in ("mean", "least", "most")] for count in SCALES)
    return "\n".join(lines) + (
        f"\n\nStored: {one[0]} kB a picture (mean of {stored['pictures']} real ones at short side "
        f"{results['short_side']}; {one[1]} to {one[2]}), that is {in_all[0]} GB in all ({in_all[1]} to {in_all[2]}).\n"
    )


def duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


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


def labeller(results: Results) -> str:
    """The labeller of reports: each finding, by the reports that the phrases were tried on and by the others.

    F1? counts "uncertain" as positive, the other figures count it as not positive.
    """
    names = ("train and validate", "test")
    kinds = ("cases", "precision", "recall", "F1", "F1?")
    lines = [row(["finding", *(f"{name}: {kind}" for name in names for kind in kinds)])]
    lines.append(row(["---"] * (1 + len(names) * len(kinds))))
    splits = [results["splits"][name] for name in names]
    pairs = [(split["uncertain_is_not_positive"], split["uncertain_is_positive"]) for split in splits]
    for finding in pairs[0][0]["findings"]:
        cells = (_of_finding(stated["findings"][finding], doubted["findings"][finding]) for stated, doubted in pairs)
        lines.append(row([finding, *(cell for part in cells for cell in part)]))
    for mean in ("micro", "macro"):
        cells = (_of_finding(stated[mean], doubted[mean]) for stated, doubted in pairs)
        lines.append(row([mean, *(cell for part in cells for cell in part)]))
    return "\n".join(lines) + "\n"


def _of_finding(stated: dict[str, float], doubted_too: dict[str, float]) -> list[str]:
    """The cells of one finding in some reports; without a case in the reference only the count."""
    cases = stated.get("hits", 0) + stated.get("missed", 0)
    if "hits" in stated and not cases:
        return ["0", "", "", "", ""]
    figures = [stated["precision"], stated["recall"], stated["f1"], doubted_too["f1"]]
    return [str(cases) if "hits" in stated else "", *(f"{figure:.2f}" for figure in figures)]


def loss(results: Results) -> str:
    """The loss of large batches: seconds and extra memory, with whole matrices and by tiles."""
    head = ["studies", "whole, s", "tiles, s", "tiles / whole", "whole, GB extra", "tiles, GB extra"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        whole, tiles = case.get("whole"), case["tiles"]
        told = (f"{whole['seconds']:.2f}", f"{tiles['seconds'] / whole['seconds']:.2f}") if whole else ("no room", "")
        memory = f"{whole['extra_gb']:.2f}" if whole else ""
        seconds, extra = f"{tiles['seconds']:.2f}", f"{tiles['extra_gb']:.2f}"
        lines.append(row([f"{case['studies']:,}", told[0], seconds, told[1], memory, extra]))
    return "\n".join(lines) + "\n"


def kept(results: Results) -> str:
    """What each option for small machines saves: weights that train and memory of activations."""
    head = ["option", "weights that train, millions", "kept for the backward pass, MB a study"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["options"]:
        millions = f"{case['training_weights'] / 1e6:.1f}"
        lines.append(row([case["option"], millions, f"{case['kept_mb_per_study']:.0f}"]))
    return "\n".join(lines) + "\n"


def data(results: Results) -> str:
    """Samples of two views: a second on one core, beside the plain form and the bare decoder of the same files."""
    lines = [row(["form", "samples a second a core", "times the plain form", "share of the bare decoder"])]
    lines.append(row(["---"] * 4))
    for name, words in DATA_FORMS.items():
        cells = [f"{results['samples_a_second'][name]['processor']:,.0f}"]
        for other, digits in (("plain_512", 1), (f"bare_{name.split('_')[1]}", 2)):
            ratio = results["ratios"].get(f"{name}/{other}")
            cells.append("" if ratio is None else f"{ratio:.{digits}f}")
        lines.append(row([words, *cells]))
    kilobytes = ", ".join(f"{size} kB at {side}" for side, size in results["kilobytes_a_picture"].items())
    first = ", ".join(f"{s:.2f} s with {n}" for n, s in results["seconds_to_the_first_batch_by_processes"].items())
    return (
        "\n".join(lines)
        + f"\n\n{results['pictures']}, {kilobytes}. From nothing to the first batch: {first} processes.\n"
    )


def gpu(results: Results) -> str:
    """Training on one GPU: each tower and batch, as it is and compiled; what failed, in words."""
    head = [
        "image tower",
        "form",
        "batch",
        "images a second",
        "share of the matrix peak",
        "waiting for data",
        "memory, GB",
    ]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        cells = [case["tower"], case["form"], f"{case['batch']:,}"]
        if case["outcome"] == "measured":
            cells += [f"{case['images_a_second']:,.0f}", f"{100 * case['share_of_peak']:.0f} %"]
            memory = case["peak_memory_gb"]
            cells += [f"{100 * case['waiting_for_data']:.0f} %", "" if memory is None else f"{memory:.1f}"]
        else:
            cells += [case["outcome"], "", "", ""]
        lines.append(row(cells))
    machine = f"{results['machine']}, {results['cores']} cores, torch {results['torch']}"
    return (
        "\n".join(lines) + f"\n\n{machine}; matrix peak in bf16 {results['peak_bf16_tflops']:.0f} TFLOP/s, measured.\n"
    )


def startup(results: Results) -> str:
    """How long commands take to answer: medians, on the clock and of the processor."""
    lines = [row(["command", "seconds", "of the processor"]), row(["---"] * 3)]
    for name, seconds in results["seconds"].items():
        lines.append(row([f"`{name}`", f"{seconds['clock']:.2f}", f"{seconds['processor']:.2f}"]))
    return "\n".join(lines) + "\n"


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
    for kind in ("patient", "equal image", "near image", "near embedding", "equal report"):
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


def coverage(results: Results) -> str:
    """How often nominal 95 % intervals cover a known truth, with patients and as if studies were independent."""
    cases = results["coverage"]
    shares = [f"{100 * case['prevalence']:.0f} % positive, {kind}" for case in cases for kind in COVERAGE_KINDS]
    lines = [row(["interval", *shares]), row(["---"] * (len(shares) + 1))]
    for name in cases[0]["by patient"]:
        cells = [f"{100 * case[kind][name]:.1f} %" for case in cases for kind in COVERAGE_KINDS]
        lines.append(row([name, *cells]))
    spread = 100 * (0.95 * 0.05 / cases[0]["trials"]) ** 0.5
    fitted, sets, alarms = (
        {kind: f"{100 * share:.1f} %" for kind, share in results[name].items() if kind != "trials"}
        for name in ("probabilities", "conformal", "false_alarms")
    )
    return "\n".join(lines) + (
        f"\n\n{cases[0]['trials']:,} data sets of each kind: a standard error of {spread:.1f} %. A fitted probability: "
        f"{fitted['by patient']} by patient, {fitted['by study']} by study. Prediction sets of 90 %: "
        f"{sets['positive']} of positives, {sets['negative']} of negatives. Two equally good models are called "
        f"different at 0.05 in {alarms['paired bootstrap']} (paired bootstrap) and {alarms['DeLong']} (DeLong).\n"
    )


def resampling(results: Results) -> str:
    """What a bootstrap of AUROC and average precision costs, beside scikit-learn in a loop."""
    found = results["cost"]
    lines = [row(["form", "seconds of the processor", "on the clock"]), row(["---"] * 3)]
    loop = f"scikit-learn in a loop, extrapolated from {found['resamples_of_the_loop']} resamples"
    for name, words in (("ours", "all resamples at once"), ("scikit-learn", loop)):
        lines.append(row([words, f"{found[name]['processor_seconds']:.2f}", f"{found[name]['seconds']:.2f}"]))
    return "\n".join(lines) + (
        f"\n\n{found['resamples']:,} resamples of {found['studies']:,} studies and {found['findings']} findings, AUROC "
        f"and average precision; the figures differ by {found['largest_difference']:.0e} at most. "
        f"{results['machine']}, busy.\n"
    )


COVERAGE_KINDS = ("by patient", "by study")
DATA_FORMS = {
    "ours_512": "ours, store of 512",
    "ours_256": "ours, store of 256",
    "ours_512_exact": "ours, store of 512, `data.training_pixels=exact`",
    "batches_512": "ours, store of 512, with tokens and batches",
    "plain_512": "plain, 512",
    "bare_512": "bare decoder, 512",
    "bare_512_at_half_scale": "bare decoder, 512 at half scale",
    "bare_256": "bare decoder, 256",
}


def protocols(_results: Results) -> str:
    """The benchmarks of `evaluate`, from their records."""
    from cxr_clip.evaluate.benchmark_rows import HEAD, rows

    lines = [row(HEAD), row(["---"] * len(HEAD))]
    lines += [row([f"`{name}`", f"`{short}`", part, how]) for name, short, part, how in rows()]
    return "\n".join(lines) + "\n"


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


def step(results: Results) -> str:
    """A training step on one thread: seconds of the processor by part, ours and the plain form."""
    parts = ("images", "texts", "loss", "optimizer")
    head = ["images, precision", "form", *parts, "step", "times the plain form", "on the clock"]
    lines = [row(head), row(["---"] * len(head))]
    for case in results["cases"]:
        sums = {form: sum(case[form]["processor_seconds"].values()) for form in ("plain", "ours")}
        for form, total in sums.items():
            seconds = (f"{case[form]['processor_seconds'][part]:.3f}" for part in parts)
            clock = sum(case[form]["clock_seconds"].values())
            ratio = f"{sums['plain'] / total:.1f}" if form == "ours" else ""
            name = f"{case['images']}, {case['precision']}"
            lines.append(row([name, form, *seconds, f"{total:.2f}", ratio, f"{clock:.2f}"]))
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(lines) + f"\n\nSeconds; {results['machine']}; {versions}; medians of {results['rounds']}.\n"


MIMIC_IMAGES = 377_110
SCALES = (1e-3, MIMIC_IMAGES / 1e9)  # bytes of one picture in kB, those of all in GB
# A table by its name in the pages: the results that it is made of (None: the package itself), and how.
TABLES: dict[str, tuple[str | None, Callable[[Results], str]]] = {
    "openi": ("openi", openi),
    "quickstart": ("quickstart", quickstart),
    "rates": ("prepare", rates),
    "cost": ("prepare", cost),
    "miniatures": ("sources", miniatures),
    "real": ("sources", real),
    "labeller": ("labeller", labeller),
    "loss": ("loss", loss),
    "kept": ("kept", kept),
    "step": ("step", step),
    "protocols": (None, protocols),
    "gpu": ("gpu", gpu),
    "data": ("data", data),
    "startup": ("startup", startup),
    "abstain": ("abstain", abstain),
    "overlap": ("overlap", overlap),
    "comparisons": ("overlap", comparisons),
    "coverage": ("intervals", coverage),
    "resampling": ("intervals", resampling),
}


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(name: str, folder: Path) -> str:
    """A table from its results in `folder`; empty where there are none."""
    results, made = TABLES[name]
    if results is None:
        return made({})
    file = folder / f"{results}.json"
    return made(json.loads(file.read_text())) if file.is_file() else ""


def with_tables(page: str, folder: Path) -> str:
    """A page with its tables as the results in `folder` say."""
    return BLOCK.sub(lambda block: block[1] + table(block["name"], folder) + block[4], page)


def main() -> None:
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text()
        wanted = with_tables(text, RESULTS)
        if wanted != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(wanted)
    if stale and "--check" in sys.argv:
        sys.exit(f"tables are not what benchmarks/results says: {', '.join(stale)}; run python benchmarks/tables.py")


if __name__ == "__main__":
    main()
