"""Intervals: how often they cover, and what a bootstrap costs."""

from table_of import Results, row

COVERAGE_KINDS = ("by patient", "by study")


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


TABLES = {"coverage": coverage, "resampling": resampling}
