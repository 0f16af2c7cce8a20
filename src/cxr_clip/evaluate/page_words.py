"""What of the benchmarks on words has room at a terminal."""

from collections.abc import Mapping

from cxr_clip.evaluate.page_wording import MACRO
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate

_OF_FINDINGS = {
    "wording": ("deviation/", "together/", "gain/"),
    "meaning": ("negation/", "uncertainty/", "side/", "severity/"),
    "grounding": ("pointing/", "pointing_chance/"),
    "views": ("gain/", "auroc/macro/", "image_to_text/", "text_to_image/"),
}


def at_a_terminal(result: BenchmarkResult, metrics: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """The figures that a terminal has room for: of the benchmarks on words the macro averages, and some of findings."""
    kept = _OF_FINDINGS.get(result.name.split("/")[0])
    if kept is None:
        return metrics
    return {name: one for name, one in metrics.items() if name.endswith(f"/{MACRO}") or name.startswith(kept)}
