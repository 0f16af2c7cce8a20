"""Grounding: maps against boxes and masks, beside random weights and controls."""

from table_of import Results, interval, row

FIGURES = {"pointing": "pointing game", "iou_at_50": "IoU at 0.5", "contrast": "contrast"}


def grounding(results: Results) -> str:
    """The macro averages by data set: the trained run, its controls, and random weights."""
    columns = ["trained", "with the text of another finding", "random weights", "middle of the picture", "chance"]
    lines = [row(["data set (images)", "figure", *columns]), row(["---"] * (len(columns) + 2))]
    for source, found in results["data_sets"].items():
        trained, untaught = found["trained"], found["random weights"]
        for key, words in FIGURES.items():
            chance = {"pointing": f"{trained['pointing_chance/macro']['value']:.3f}", "contrast": "0"}.get(key, "")
            measured = (trained[f"{key}/macro"], trained[f"{key}_wrong_text/macro"], untaught[f"{key}/macro"])
            middle = f"{trained[f'{key}_centre/macro']['value']:.3f}"
            lines.append(row([f"{source} ({found['images']})", words, *map(interval, measured), middle, chance]))
    model = results["model"]
    return "\n".join(lines) + (
        f"\n\nMacro averages over findings. The model: the quickstart's recipe at {model['image_size']} px, "
        f"{model['epochs']} epochs, on made-up studies. Measured on {results['studies']:,} others of each data set.\n"
    )


TABLES = {"grounding": grounding}
