"""Samples of two views: a second on one core, beside the plain form and the bare decoder of the same files."""

from table_of import Results, row

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


TABLES = {"data": data}
