"""What 8 bits cost on real studies: each figure of the run, and by how much exported files differ from it."""

from table_of import Results, row

FIGURES = {
    ("zero_shot/standard", "auroc/macro"): "macro AUROC, standard prompts",
    ("zero_shot/paraphrase", "auroc/macro"): "macro AUROC, paraphrases",
    ("retrieval", "image_to_text/recall_at_10"): "R@10, image to text",
    ("retrieval", "text_to_image/recall_at_10"): "R@10, text to image",
}


def int8(results: Results) -> str:
    """Differences of each form from the run, on the same studies."""
    forms = {
        name: {(one["benchmark"], one["figure"]): one for one in found} for name, found in results["forms"].items()
    }
    head = ["figure", f"{results['differences_from']}", *(f"{name}: difference" for name in forms)]
    lines = [row(head), row(["---"] * len(head))]
    for key, words in FIGURES.items():
        first = next(iter(forms.values()))[key]["first"]["value"]
        shown = [found[key]["difference"] for found in forms.values()]
        cells = [f"{one['value']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})" for one in shown]
        lines.append(row([words, f"{first:.3f}", *cells]))
    sizes = {name: sum(files.values()) / 1e6 for name, files in results["bytes"].items()}
    kept = results["certificate"]["int8"]
    pictures, texts = (kept[name]["mean_cosine"] for name in ("images", "texts"))
    return "\n".join(lines) + (
        f"\n\n{results['studies']:,} test studies of Open-I; differences with 95 % intervals over the same resamples "
        f"of patients. Both files: {sizes['onnx']:.0f} MB whole, {sizes['int8']:.0f} MB in 8 bits. "
        f"Mean cosine of 8-bit embeddings of validation studies with the run's: pictures {pictures:.3f}, "
        f"texts {texts:.4f}.\n"
    )


TABLES = {"bits": int8}
