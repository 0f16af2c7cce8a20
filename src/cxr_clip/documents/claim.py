"""The checklist CLAIM 2024 for a run: 44 items, answered from its files or left open.

Source: Tejani et al., "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update", Radiology:
Artificial Intelligence 6(4), 2024, e240300. The titles of items are our own short words; read the items there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from cxr_clip.documents import claim_answers as answers
from cxr_clip.documents.open_question import OPEN, or_open
from cxr_clip.documents.study_facts import StudyFacts
from cxr_clip.sharing.markdown import table


@dataclass(frozen=True)
class Item:
    """An item: its number in the checklist, its section, its title, and what answers it; None: people alone do."""

    number: int
    section: str
    title: str
    answer: Callable[[StudyFacts], str | None] | None = None


ITEMS = (
    Item(1, "Title and abstract", "kind of AI named", answers.method),
    Item(2, "Title and abstract", "abstract"),
    Item(3, "Introduction", "background and intended role"),
    Item(4, "Introduction", "aims and hypotheses"),
    Item(5, "Study design", "prospective or retrospective", answers.direction),
    Item(6, "Study design", "goal of the study"),
    Item(7, "Data", "sources", answers.sources),
    Item(8, "Data", "who is in and who is out", answers.criteria),
    Item(9, "Data", "preprocessing", answers.preprocessing),
    Item(10, "Data", "parts that were taken", answers.subsets),
    Item(11, "Data", "de-identification", answers.hidden_identity),
    Item(12, "Data", "missing data", answers.missing_data),
    Item(13, "Data", "acquisition of images"),
    Item(14, "Reference standard", "how it was made", answers.reference_standard),
    Item(15, "Reference standard", "why this one"),
    Item(16, "Reference standard", "who annotated"),
    Item(17, "Reference standard", "annotation of the test set"),
    Item(18, "Reference standard", "agreement within and between readers"),
    Item(19, "Data partitions", "how cases were assigned", answers.partitions),
    Item(20, "Data partitions", "at which level they are disjoint", answers.disjoint),
    Item(21, "Testing data", "sample size", answers.sample_size),
    Item(22, "Model", "description", answers.model),
    Item(23, "Model", "software", answers.software),
    Item(24, "Model", "initial values", answers.initial_values),
    Item(25, "Training", "how it was trained", answers.training),
    Item(26, "Training", "choice of the final model", answers.final_model),
    Item(27, "Training", "ensembles", answers.ensembles),
    Item(28, "Evaluation", "metrics", answers.metrics),
    Item(29, "Evaluation", "uncertainty and significance", answers.uncertainty),
    Item(30, "Evaluation", "robustness", answers.robustness),
    Item(31, "Evaluation", "explanations", answers.explanations),
    Item(32, "Evaluation", "internal data", answers.internal),
    Item(33, "Evaluation", "external data", answers.external),
    Item(34, "Evaluation", "trial registration"),
    Item(35, "Results: data", "numbers in and out", answers.flow),
    Item(36, "Results: data", "patients of each partition", answers.characteristics),
    Item(37, "Results: performance", "performance with uncertainty", answers.performance),
    Item(38, "Results: performance", "diagnostic performance with precision", answers.precision),
    Item(39, "Results: performance", "analysis of failures"),
    Item(40, "Discussion", "limitations", answers.limitations),
    Item(41, "Discussion", "meaning for practice"),
    Item(42, "Other information", "protocol and further details", answers.details),
    Item(43, "Other information", "availability of software, model, data", answers.availability),
    Item(44, "Other information", "funding"),
)


def checklist(study: StudyFacts) -> str:
    """The checklist as Markdown, with how many items are answered, in part or in whole, and how many are open."""
    said = {item.number: or_open(item.answer(study) if item.answer is not None else None) for item in ITEMS}
    unanswered = sum(answer == OPEN for answer in said.values())
    partly = sum(OPEN.removeprefix("open: ") in answer for answer in said.values()) - unanswered
    head = (
        f"# CLAIM 2024: {study.run.recipe.name}\n\n"
        f"Of {len(ITEMS)} items, {len(ITEMS) - unanswered - partly} are answered from the files of the run, "
        f"{partly} in part, {unanswered} are open. Titles are short words for the items of Tejani et al., "
        "Radiology: Artificial Intelligence 2024;6(4):e240300; read the items there. An answer from files is a draft: "
        "check it."
    )
    sections = []
    for name, items in groupby(ITEMS, key=lambda item: item.section):
        rows = [(str(one.number), one.title, said[one.number]) for one in items]
        sections.append(f"## {name}\n\n{table(('item', 'what', 'answer'), rows)}")
    return "\n\n".join([head, *sections]) + "\n"
