"""The protocol of each benchmark in plain sentences: every choice that could move a figure."""

from cxr_clip.evaluate.contract import (
    ClassesTask,
    FewShotTask,
    FindingsTask,
    GroundingTask,
    ImageRule,
    MeaningTask,
    RetrievalTask,
    SetScore,
    Ties,
    WordingTask,
)

IMAGES = (
    "A study counts with its frontal images (PA, AP or frontal); where no view is frontal, with those of unknown view. "
    "A study with lateral images only is left out."
)


def _intervals(resamples: int, seed: int, of: str = "Intervals") -> str:
    """Say how intervals are made."""
    return (
        f"{of}: 95 %, percentile bootstrap, {resamples:,} resamples of whole patients (seed {seed}), the same "
        "resamples for every figure; a resample in which a class was not drawn is left out of that figure's interval."
    )


def _area_intervals(resamples: int, seed: int) -> str:
    """Say how intervals are made where AUROC of single findings is among the figures."""
    return (
        "Intervals of AUROC of one finding: 95 %, DeLong's variance by patient, on the scale of log odds, Student's t "
        "with the patients of the smaller class less one; Wilson's interval on these patients where AUROC is exactly 0 "
        "or 1; the bootstrap where all scores are equal or a class has fewer than two patients. "
        + _intervals(resamples, seed, of="All other intervals")
    )


_OF_STUDY = {
    ImageRule.MEAN: "A study's embedding is the mean of the unit-length embeddings of its images, brought back to unit "
    "length.",
    ImageRule.FIRST: "A study's embedding is that of the first of those images.",
}


def zero_shot(task: FindingsTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how zero-shot figures are made."""
    decisions = ("Accuracy and F1: the prompt with the larger cosine decides.",) if task.decisions else ()
    return (
        IMAGES,
        _OF_STUDY[task.images],
        f"Prompts: the style '{task.style}', a positive and a negative side for each finding, listed below; several "
        "prompts of one side are averaged as unit-length embeddings and brought back to unit length.",
        "Score: the cosine with the positive side minus the cosine with the negative side, which orders studies as the "
        "softmax of the pair does at any temperature.",
        "One finding at a time: a study counts if the finding is explicitly positive or explicitly negative; uncertain "
        "and not mentioned are left out.",
        "AUROC and average precision with ties as scikit-learn has them; the macro average weighs findings equally and "
        f"takes those with at least {task.min_positives} positive and {task.min_positives} negative studies.",
        *decisions,
        _area_intervals(resamples, seed),
    )


def classes(task: ClassesTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of one class of several are made."""
    sizes = ", ".join(f"{one.finding} {len(one.prompts)}" for one in task.sets)
    score = {SetScore.MEAN: "the mean cosine", SetScore.BEST: "the largest cosine"}[task.score]
    return (
        IMAGES,
        _OF_STUDY[task.images],
        f"A study counts if exactly one of the classes is positive. Prompts of each class, our own: {sizes}.",
        f"The score of a class is {score} with its prompts; the largest score decides, the first of equal ones. "
        "Nothing evens out the sizes of the sets, as in the published evaluation.",
        "Accuracy: micro is the share of all studies that come to the right class, macro the mean of the classes' own.",
        _intervals(resamples, seed),
    )


def few_shot(task: FewShotTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how few-shot figures are made."""
    shares = ", ".join(f"{100 * share:g} %" for share in task.shares)
    settings = ", ".join(f"{name} {value:g}" for name, value in task.settings)
    return (
        IMAGES,
        "The image of a study is the first of those.",
        f"Learner: {task.learner.value} ({settings}). The validation studies choose the strength or the epoch, and the "
        "test studies are measured with that choice.",
        f"Shares of the training studies: {shares}; drawn by patient for each of {len(task.seeds)} seeds, nested; a "
        "patient more where a finding would have no positive or no negative study.",
        "A study counts for a finding if it is explicitly positive or negative; AUROC as scikit-learn has it. A figure "
        "is the mean over the seeds. Its interval holds both kinds of chance: each resample draws seeds and patients.",
        _intervals(resamples, seed),
    )


def wording(task: WordingTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of single wordings are made."""
    names = dict.fromkeys(one.name for finding in task.findings for one in finding.wordings)
    return (
        IMAGES,
        _OF_STUDY[task.images],
        f"Wordings, each one positive and one negative sentence: {', '.join(names)}. Numbers of a style are its "
        "sentences in their order; 'report' are sentences as reports have them.",
        "Score: the cosine with the positive sentence minus the cosine with the negative one. All together: the mean "
        "of the unit-length embeddings of all sentences of a side, brought back to unit length.",
        "Spread: the lowest and the highest AUROC over the wordings of a finding, the standard deviation (one less "
        "than their number below), the median; each worked out anew in every resample, so the highest is that of the "
        "best wording of the resample. Gain: all together minus the median, in the same resamples.",
        "The macro average of a wording is the mean over the measured findings; wordings that not all of them have "
        f"are left out of it. A finding is measured with at least {task.min_positives} positive and "
        f"{task.min_positives} negative studies; uncertain and not mentioned are left out.",
        _intervals(resamples, seed),
    )


def meaning(task: MeaningTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of opposite meanings are made."""
    return (
        IMAGES,
        _OF_STUDY[task.images],
        f"Sentences, our own, in {len(task.prompts[0].present)} forms that are the same for every meaning; a study's "
        "figure is the share of forms that come out right. Cosines closer than 0.000001 are equal and count as chance.",
        "Negation: a positive study is nearer to the sentence that a finding is there than to its denial, a negative "
        "one the other way round. The figure is the mean of both classes' shares, each given too: chance is a half, "
        "and so is a model that prefers one of the sentences for every study.",
        "Uncertainty: the sentence of doubt lies between the two, in the right order; chance is a sixth. Uncertain "
        "studies and those that do not mention a finding are left out.",
        f"Side: left against right on positive studies. Known from {task.side}. The mean of both sides' shares.",
        f"Severity: Spearman of the grade and of the cosine with much minus that with little, on positive studies. "
        f"Known from {task.grade}. Chance is 0; there is no figure where the cosines do not differ.",
        "Texts alone: mean cosine of a sentence with its denial, with other words for the same (the style "
        "'paraphrase'), and how often these are nearer than the denial; no study moves them, so no interval.",
        f"A finding is measured with at least {task.min_positives} studies of each class, of each side, or of two "
        "grades. The macro average weighs findings equally.",
        _intervals(resamples, seed),
    )


def grounding(task: GroundingTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of grounding are made."""
    thresholds = ", ".join(f"{one:g}" for one in task.thresholds)
    return (
        "Every frontal image of the test studies on which a finding was drawn counts for it, whatever the score says.",
        f"Region: {task.region}; coordinates are those of the stored image.",
        f"Map: {task.method}; prompts of the style '{task.style}', positive minus negative; drawn out linearly between "
        "the centres of the network's places; resizing and centre crop undone.",
        "Pointing: the share of images whose largest value lies in the region. Chance: the region's share of what is "
        "seen.",
        f"IoU: of the region with the pixels that lie at least {thresholds} of the way from the least to the greatest "
        "value, fixed beforehand; and at the best of other thresholds on the validation images.",
        f"Contrast: {task.contrast}, inside and outside the region; 0 is chance.",
        "Controls: the same images with the text of another finding, and a map that is largest in the middle of what "
        f"is seen and knows no picture. The macro average takes findings with at least {task.min_images} images.",
        _intervals(resamples, seed),
    )


def class_notes(studies: int, chosen: int) -> tuple[str, ...]:
    """Say how many studies do not show exactly one of the classes; nothing where all do."""
    left = studies - chosen
    return (f"{left:,} studies that do not show exactly one of the classes are left out.",) if left else ()


def retrieval(task: RetrievalTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how retrieval figures are made."""
    ties = {
        Ties.MIDDLE: "Equal cosines (closer than 0.000001) give the middle rank of the tie, rounded up, so a collapsed "
        "model ranks as chance does.",
        Ties.IN_ORDER: "Of equal cosines the text that is listed first comes first, which flatters a collapsed model; "
        "the other way round is not asked. Both as in the published evaluation.",
    }[task.ties]
    return (
        IMAGES,
        "The image of a study is the first of those; its text is the longer of findings and impression, in characters. "
        "A study without either section is left out.",
        "Identical texts (white space aside) are merged into one target, embedded once. From image to text one text is "
        "right; from text to image the images of all studies with that text are right and the best of them counts.",
        f"Rank by cosine against the whole pool. {ties}",
        f"R@{', R@'.join(str(k) for k in task.recalls)}: the share of queries whose right target is among the "
        "first k; the median rank is the smallest that half of the queries reach.",
        "Chance is exact: the mean over all orders of the same pool.",
        _intervals(resamples, seed) + " Queries are resampled and the pool stays whole; a merged text goes with "
        "the patient of its first study.",
    )


def without_image(count: int) -> tuple[str, ...]:
    """Say how many studies were left out for want of a frontal image; nothing where there are none."""
    return (f"{count:,} studies without a frontal image are left out.",) if count else ()


def pool_notes(studies: int, with_text: int, texts: int) -> tuple[str, ...]:
    """Say how large the two pools of retrieval are, and whether there is anything to retrieve."""
    notes = [f"The pool holds {with_text:,} images and {texts:,} different texts."]
    if with_text < studies:
        notes.append(f"{studies - with_text:,} studies without findings and impression are left out.")
    if texts < 2:
        notes.append("Retrieval is not measured: it needs two different texts.")
    return tuple(notes)
