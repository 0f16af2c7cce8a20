"""The protocol of views in plain sentences."""

from cxr_clip.evaluate.contract import ViewsTask


def views_protocol(task: ViewsTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how images of a study together are compared with single views."""
    return (
        "Studies with a frontal (PA, AP or frontal) and a lateral image: every choice of images is asked for the same.",
        "A study's embedding is the mean of the unit-length embeddings of the chosen images, brought back to unit "
        "length: of all of them, of the frontal ones alone, of the lateral ones alone.",
        f"AUROC: zero-shot with the prompts '{task.style}', of findings with at least {task.min_positives} explicitly "
        f"positive and {task.min_positives} negative ones of these studies; macro is the mean over findings.",
        f"R@{task.recall}: both ways among these studies and their texts ({task.text}); equal cosines give the middle "
        "rank. Chance: a random order; of AUROC 0.5.",
        "Gain: all images minus the other choice, in the same resamples; the two-sided p from these is corrected over "
        "all of the gains (Holm).",
        f"Intervals: 95 %, percentile bootstrap, {resamples:,} resamples of whole patients (seed {seed}).",
    )


def views_notes(task: ViewsTask, *, studies: int, both: int, findings: int) -> tuple[str, ...]:
    """Say how many studies have both views, and what was not measured."""
    notes = [f"{both:,} of {studies:,} studies have a frontal and a lateral image."]
    if both < task.min_studies:
        notes.append(f"Not measured: it needs {task.min_studies} of them.")
    elif not findings:
        notes.append(f"AUROC is not measured: no finding has {task.min_positives} positives and negatives.")
    return tuple(notes)
