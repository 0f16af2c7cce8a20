"""The table of benchmarks: one record each. A change of a record needs a new version, as its hash changes with it."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from cxr_clip.data.findings import CHESTXRAY14, NO_FINDING, TABLE
from cxr_clip.data.meaning_prompts import load_meaning_prompts
from cxr_clip.data.prompts import ZeroShotPrompt, load_class_prompts, load_zero_shot_prompts
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.contract import (
    Benchmark,
    ClassesTask,
    FewShotTask,
    FindingsTask,
    FindingWordings,
    GroundingTask,
    ImageRule,
    Learner,
    MeaningTask,
    PromptSet,
    RetrievalTask,
    SetScore,
    SeverityTask,
    SubgroupsTask,
    Task,
    Ties,
    ViewsTask,
    Wording,
    WordingTask,
)
from cxr_clip.study import Split

ALL = "all"
# The 18 classes of VinDr-CXR's test set that the paper evaluates, and the data set's own words for them.
VINDR_CLASSES: Mapping[str, str] = {
    "Aortic Enlargement": "Aortic enlargement",
    "Atelectasis": "Atelectasis",
    "Calcification": "Calcification",
    "Cardiomegaly": "Cardiomegaly",
    "Consolidation": "Consolidation",
    "Interstitial Lung Disease": "ILD",
    "Infiltration": "Infiltration",
    "Lung Opacity": "Lung Opacity",
    "Mediastinal Shift": "Mediastinal shift",
    "Nodule/Mass": "Nodule/Mass",
    "Pleural Effusion": "Pleural effusion",
    "Pleural Thickening": "Pleural thickening",
    "Pneumothorax": "Pneumothorax",
    "Fibrosis": "Pulmonary fibrosis",
    "Rib Fracture": "Rib fracture",
    "Lung Tumor": "Lung tumor",
    "Pneumonia": "Pneumonia",
    "Tuberculosis": "Tuberculosis",
}
PNEUMONIA, PNEUMOTHORAX = ("Pneumonia",), ("Pneumothorax",)
# What the zero-shot benchmarks of each data set ask for.
ASKED: Mapping[str, Sequence[str]] = {
    "vindr_cxr": tuple(VINDR_CLASSES),
    "rsna_pneumonia": PNEUMONIA,
    "siim_pneumothorax": PNEUMOTHORAX,
    "chestxray14": CHESTXRAY14,
    "openi": CHESTXRAY14,
}
WORDING_STYLES = ("standard", "paraphrase", "biovil")
# Strengths C of the inverse regularisation to choose from, evenly spaced in their logarithm.
PROBE = (("least_log10_c", -4.0), ("most_log10_c", 2.0), ("steps", 7.0), ("iterations", 1000.0))
FINE_TUNE = (
    ("epochs", 10.0),
    ("batch_size", 32.0),
    ("encoder_rate", 5e-5),
    ("head_rate", 1e-3),
    ("weight_decay", 1e-4),
)


@lru_cache(maxsize=1)
def benchmarks() -> tuple[Benchmark, ...]:
    """Every benchmark of the table, in the order in which it is printed."""
    return (
        *_zero_shot(),
        *_classes(),
        *_retrieval(),
        *_few_shot(),
        *_wording(),
        *_meaning(),
        *_grounding(),
        *_subgroups(),
        *_views(),
        *_severity(),
    )


def by_name() -> Mapping[str, Benchmark]:
    """The table by name."""
    return {benchmark.name: benchmark for benchmark in benchmarks()}


def applicable(sources: Iterable[str]) -> tuple[Benchmark, ...]:
    """The benchmarks that are made for one of these data sets."""
    here = set(sources)
    return tuple(benchmark for benchmark in benchmarks() if here.intersection(benchmark.sources))


def choose(names: Sequence[str], sources: Iterable[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of these names, or all made for these data sets where the only name is "all".

    Raises EvaluationError for a name that the table does not have, a benchmark of a data set that is not there, and
    where none applies.
    """
    here = sorted(set(sources))
    if list(names) == [ALL]:
        return applicable(here) or _refuse_none(here)
    table = by_name()
    for name in names:
        if name not in table:
            near = get_close_matches(name, table, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(table)}"
            raise EvaluationError(f"there is no benchmark {name!r}: {hint}")
        if table[name].sources and not set(here).intersection(table[name].sources):
            raise EvaluationError(
                f"the benchmark {name} is made for {' or '.join(table[name].sources)}, and the manifests hold "
                f"{', '.join(here)}: give the manifest of that data set, or name another benchmark"
            )
    return tuple(table[name] for name in dict.fromkeys(names))


def _refuse_none(here: Sequence[str]) -> tuple[Benchmark, ...]:
    made_for = sorted({source for benchmark in benchmarks() for source in benchmark.sources})
    raise EvaluationError(
        f"no benchmark is made for {', '.join(here)}: leave --benchmarks out to ask for every finding and for "
        f"retrieval; there are benchmarks for {', '.join(made_for)}"
    )


def _zero_shot() -> tuple[Benchmark, ...]:
    """Zero-shot on five data sets: our prompts, other words for the same, and the words of the published evaluation."""
    vindr, openi = tuple(VINDR_CLASSES), CHESTXRAY14
    return (
        _findings("vindr_cxr", None, "standard", vindr),
        _findings("vindr_cxr", "paraphrase", "paraphrase", vindr),
        _published("vindr_cxr", "class names", _named(VINDR_CLASSES)),
        _findings("rsna_pneumonia", None, "biovil", PNEUMONIA),
        _findings("rsna_pneumonia", "paraphrase", "paraphrase", PNEUMONIA),
        _published("rsna_pneumonia", "biovil", _prompts("biovil", PNEUMONIA)),
        _findings("siim_pneumothorax", None, "standard", PNEUMOTHORAX),
        _findings("siim_pneumothorax", "paraphrase", "paraphrase", PNEUMOTHORAX),
        _published("siim_pneumothorax", "class names", _named({"Pneumothorax": "Pneumothorax"})),
        _findings("chestxray14", None, "standard", CHESTXRAY14),
        _findings("chestxray14", "paraphrase", "paraphrase", CHESTXRAY14),
        _findings("openi", None, "standard", openi),
        _findings("openi", "paraphrase", "paraphrase", openi),
    )


def _classes() -> tuple[Benchmark, ...]:
    """CheXpert 5x200, with mean and best cosine; a set that was rebuilt is a benchmark of its own."""
    sets = tuple(PromptSet(finding, prompts) for finding, prompts in load_class_prompts().items())
    return tuple(
        Benchmark(_name("classes", source, variant), 1, (source,), Split.TEST, ClassesTask(sets, score))
        for source in ("chexpert_5x200", "chexpert_5x200_rebuilt")
        for variant, score in ((None, SetScore.MEAN), ("best", SetScore.BEST))
    )


def _retrieval() -> tuple[Benchmark, ...]:
    """Retrieval both ways, and one way by the published rules; of Open-I these take the whole collection."""
    published = RetrievalTask(Ties.IN_ORDER)
    records = []
    for source in ("mimic_cxr", "openi", "chexpert_5x200", "chexpert_5x200_rebuilt"):
        records.append(Benchmark(_name("retrieval", source, None), 1, (source,), Split.TEST, RetrievalTask()))
        whole = None if source == "openi" else Split.TEST
        records.append(Benchmark(_name("retrieval", source, "published"), 1, (source,), whole, published))
    return tuple(records)


def _few_shot() -> tuple[Benchmark, ...]:
    """Linear probe and fine-tune on three data sets."""
    learners = {"probe": (Learner.PROBE, PROBE), "fine_tune": (Learner.FINE_TUNE, FINE_TUNE)}
    return tuple(
        Benchmark(_name(kind, source, None), 1, (source,), None, FewShotTask(learner, tuple(ASKED[source]), settings))
        for kind, (learner, settings) in learners.items()
        for source in ("vindr_cxr", "rsna_pneumonia", "siim_pneumothorax")
    )


def _wording() -> tuple[Benchmark, ...]:
    """Zero-shot with each wording alone: on five data sets, and on any."""
    asked = [*ASKED.items(), (None, tuple(load_meaning_prompts()))]
    return tuple(_on("wording", source, WordingTask(tuple(map(_wordings, findings)))) for source, findings in asked)


def _wordings(finding: str) -> FindingWordings:
    """Every pair of sentences that we have for a finding: those of the prompt styles, and report-like ones."""
    pairs = {style: load_zero_shot_prompts(style).get(finding) for style in WORDING_STYLES}
    named = {style: zip(one.positive, one.negative, strict=True) for style, one in pairs.items() if one is not None}
    said = load_meaning_prompts()[finding]
    named["report"] = zip(said.present, said.absent, strict=True)
    return FindingWordings(
        finding,
        tuple(
            Wording(f"{style} {number}", positive, negative)
            for style, sentences in named.items()
            for number, (positive, negative) in enumerate(sentences, start=1)
        ),
    )


def _meaning() -> tuple[Benchmark, ...]:
    """Sentences of opposite meaning: on the same data sets, on the reports of MIMIC-CXR, and on any data set."""
    sentences, words = load_meaning_prompts(), load_zero_shot_prompts("paraphrase")
    asked = [*ASKED.items(), ("mimic_cxr", _chexpert()), (None, tuple(sentences))]
    return tuple(
        _on(
            "meaning",
            source,
            MeaningTask(
                tuple(sentences[finding] for finding in findings),
                tuple(PromptSet(finding, words[finding].positive) for finding in findings),
            ),
        )
        for source, findings in asked
    )


def _chexpert() -> tuple[str, ...]:
    """The findings that MIMIC-CXR is labelled with."""
    return tuple(one.name for one in TABLE if "chexpert" in one.sets and one.name != NO_FINDING)


def _on(kind: str, source: str | None, task: Task) -> Benchmark:
    """A benchmark on the test studies of a data set, or of any."""
    name = kind if source is None else _name(kind, source, None)
    return Benchmark(name, 1, () if source is None else (source,), Split.TEST, task)


def _grounding() -> tuple[Benchmark, ...]:
    """Maps against boxes and masks; the wrong text is that of the next finding."""
    records = []
    for source in ("vindr_cxr", "rsna_pneumonia", "siim_pneumothorax", "chestxray14"):
        prompts = _prompts("standard", ASKED[source])
        following = (*prompts[1:], prompts[0]) if len(prompts) > 1 else _prompts("standard", ("Fracture",))
        records.append(
            Benchmark(
                _name("grounding", source, None), 1, (source,), None, GroundingTask("standard", prompts, following)
            )
        )
    return tuple(records)


def _subgroups() -> tuple[Benchmark, ...]:
    """Subgroups side by side: on the data sets whose findings or reports are evaluated, and on any."""
    standard = load_zero_shot_prompts("standard")
    asked = [*ASKED.items(), ("mimic_cxr", _chexpert()), (None, tuple(standard))]
    return tuple(
        _on("subgroups", source, SubgroupsTask("standard", tuple(standard[finding] for finding in findings)))
        for source, findings in asked
    )


def _views() -> tuple[Benchmark, ...]:
    """All images against single views: on the data sets whose studies have both views, and on any."""
    standard = load_zero_shot_prompts("standard")
    asked = [("openi", CHESTXRAY14), ("mimic_cxr", _chexpert()), (None, tuple(standard))]
    return tuple(
        _on("views", source, ViewsTask("standard", tuple(standard[finding] for finding in findings)))
        for source, findings in asked
    )


def _severity() -> tuple[Benchmark, ...]:
    """Scores against grades: on any data set, as none of those that are known by name has grades."""
    degrees = tuple(one for one in load_meaning_prompts().values() if one.most)
    task = SeverityTask("standard", tuple(load_zero_shot_prompts("standard").values()), degrees)
    return (Benchmark("severity", 1, (), None, task),)


def _findings(source: str, variant: str | None, style: str, findings: Sequence[str]) -> Benchmark:
    return Benchmark(
        _name("zero_shot", source, variant), 1, (source,), Split.TEST, FindingsTask(style, _prompts(style, findings))
    )


def _published(source: str, style: str, prompts: tuple[ZeroShotPrompt, ...]) -> Benchmark:
    """The published evaluation: one image a study, accuracy and F1 beside AUROC."""
    task = FindingsTask(style, prompts, images=ImageRule.FIRST, decisions=True)
    return Benchmark(_name("zero_shot", source, "published"), 1, (source,), Split.TEST, task)


def _named(words: Mapping[str, str]) -> tuple[ZeroShotPrompt, ...]:
    """The class against "No" and the class, in the words and letters of the data set."""
    return tuple(ZeroShotPrompt(finding, (word,), (f"No {word}",)) for finding, word in words.items())


def _prompts(style: str, findings: Sequence[str]) -> tuple[ZeroShotPrompt, ...]:
    prompts = load_zero_shot_prompts(style)
    return tuple(prompts[finding] for finding in findings)


def _name(kind: str, source: str, variant: str | None) -> str:
    return f"{kind}/{source}" if variant is None else f"{kind}/{source}/{variant}"
