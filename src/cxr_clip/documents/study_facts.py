"""What a run folder, its evaluations and its manifests say of the study that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.checkpoint import Run, read_run
from cxr_clip.documents.data_facts import DataFacts, read_data_facts
from cxr_clip.errors import ManifestError
from cxr_clip.sharing.facts import Facts, Figure, gather


@dataclass(frozen=True)
class StudyFacts:
    """A run without its weights, what is known of it, and the manifests that are at hand."""

    run: Run
    facts: Facts
    data: tuple[DataFacts, ...]

    def figures(self, *prefixes: str) -> list[Figure]:
        """The figures of benchmarks whose names begin so."""
        return [one for one in self.facts.figures if one.benchmark.startswith(prefixes)]

    def measured_on(self, *, trained: bool) -> list[str]:
        """The names of the evaluated data sets that the model was, or was not, trained on, by manifest."""
        recipes = (self.run.recipe, *self.run.started_from)
        own = {one.manifest.name for recipe in recipes for one in recipe.data.sources}
        names = dict.fromkeys(one.measured_on for one in self.facts.figures)
        return [name for name in names if (name.partition(" (")[0] in own) == trained]


def read_study_facts(run: Path, manifests: Sequence[Path] = ()) -> StudyFacts:
    """Read the facts of a run folder, and of `manifests`, or else of those of its recipe that are on this machine.

    Raises CheckpointError, and ManifestError for a manifest that was given.
    """
    read = read_run(run)
    given = [read_data_facts(path) for path in manifests]
    return StudyFacts(read, gather(read.recipe, run), tuple(given or _of_recipe(read)))


def _of_recipe(run: Run) -> list[DataFacts]:
    found = []
    for source in run.recipe.data.sources:
        try:
            found.append(read_data_facts(source.manifest))
        except ManifestError:
            continue
    return found
