"""What preparing images costs."""

from table_of import Results, row

MIMIC_IMAGES = 377_110
SCALES = (1e-3, MIMIC_IMAGES / 1e9)  # bytes of one picture in kB, those of all in GB


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


TABLES = {"rates": rates, "cost": cost}
