"""The records of the benchmarks: their hashes move with every choice, and stay where nothing changes."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.data.findings import KNOWN_FINDINGS
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate import published_figures
from cxr_clip.evaluate.benchmark_table import VINDR_CLASSES, applicable, benchmarks, by_name, choose
from cxr_clip.evaluate.benchmarks import MEASURES
from cxr_clip.evaluate.contract import (
    Benchmark,
    ClassesTask,
    FindingsTask,
    ImageRule,
    RetrievalTask,
    SetScore,
    Ties,
    canonical_json,
    content,
)
from cxr_clip.evaluate.published_figures import published_of
from cxr_clip.study import Split

PINNED = json.loads(Path(__file__).with_name("benchmark_hashes.json").read_text())


def test_no_record_changes_without_a_new_version():
    """A changed record: raise its version, and write the new hash into benchmark_hashes.json."""
    assert {f"{one.name} v{one.version}": one.identity for one in benchmarks()} == PINNED


def test_names_are_unique_and_every_kind_can_be_measured():
    assert len(by_name()) == len(benchmarks()) == len({one.identity for one in benchmarks()})
    assert all(type(one.task) in MEASURES for one in benchmarks())
    assert [one.name for one in benchmarks() if not one.sources] == [
        "wording",
        "meaning",
        "subgroups",
        "views",
        "severity",
    ]


def test_any_choice_moves_the_hash():
    vindr = by_name()["zero_shot/vindr_cxr"]
    prompts = vindr.task.prompts
    other_words = (replace(prompts[0], positive=("Something else",)), *prompts[1:])
    changed = [
        replace(vindr, name="another"),
        replace(vindr, version=2),
        replace(vindr, split=Split.VALIDATE),
        replace(vindr, sources=("openi",)),
        *(
            replace(vindr, task=replace(vindr.task, **change))
            for change in (
                {"prompts": other_words},
                {"prompts": prompts[1:]},
                {"images": ImageRule.FIRST},
                {"min_positives": 6},
                {"decisions": True},
            )
        ),
        replace(vindr, task=RetrievalTask()),
        replace(vindr, task=RetrievalTask(Ties.IN_ORDER)),
        replace(vindr, task=ClassesTask((), SetScore.MEAN)),
        replace(vindr, task=ClassesTask((), SetScore.BEST)),
    ]
    hashes = [one.identity for one in (vindr, *changed)]
    assert len(set(hashes)) == len(hashes)
    assert replace(vindr).identity == vindr.identity


def test_the_hash_is_that_of_the_record_as_json():
    small = Benchmark("a/b", 1, ("b",), None, RetrievalTask())
    text = canonical_json(content(small))
    assert json.loads(text)["task"]["recalls"] == [1, 5, 10]
    assert " " not in text.replace("longer of findings and impression, in characters", "").split('"task"')[0]
    assert hashlib.sha256(text.encode()).hexdigest().startswith(small.identity)
    assert small.label == f"a/b v1 {small.identity}"


def test_vindr_asks_for_the_18_evaluated_classes_in_words_that_we_know():
    assert len(VINDR_CLASSES) == 18
    assert set(VINDR_CLASSES) <= set(KNOWN_FINDINGS)
    published = by_name()["zero_shot/vindr_cxr/published"].task
    assert isinstance(published, FindingsTask)
    ild = next(one for one in published.prompts if one.finding == "Interstitial Lung Disease")
    assert (ild.positive, ild.negative) == (("ILD",), ("No ILD",))


def test_what_applies_is_found_by_the_data_sets_that_are_there():
    assert {one.sources for one in applicable(["openi", "made-up"])} == {("openi",)}
    assert choose(["all"], ["openi"]) == applicable(["openi"])
    assert [one.name for one in choose(["meaning", "wording"], ["made-up"])] == ["meaning", "wording"]
    assert [one.name for one in choose(["retrieval/openi", "zero_shot/openi", "retrieval/openi"], ["openi"])] == [
        "retrieval/openi",
        "zero_shot/openi",
    ]


@pytest.mark.parametrize(
    ("names", "sources", "words"),
    [
        (["retreival/openi"], ["openi"], "no benchmark 'retreival/openi': did you mean 'retrieval/openi'"),
        (["?"], ["openi"], "no benchmark '?': there are zero_shot/vindr_cxr, "),
        (["retrieval/openi"], ["vindr_cxr"], "made for openi, and the manifests hold vindr_cxr: give the manifest"),
        (["all"], ["made-up"], "no benchmark is made for made-up: leave --benchmarks out"),
    ],
)
def test_what_cannot_be_chosen_is_told_with_the_mend(names, sources, words):
    with pytest.raises(EvaluationError, match=words.replace("?", r"\?")):
        choose(names, sources)


def test_published_figures_belong_to_benchmarks_of_the_table_and_say_their_source():
    found = {one.name: published_of(one.name) for one in benchmarks() if published_of(one.name) is not None}
    assert {name for name, row in published_figures._table().items()} == set(found)
    assert all("second-hand" in one.note and min(one.values.values()) > 0 for one in found.values())
    assert found["zero_shot/vindr_cxr"].values == {"auroc/macro": 0.789}
    assert published_of("zero_shot/openi") is None


def test_the_list_of_benchmarks_names_each_with_its_hash(command, capsys):
    assert command("benchmarks") == 0
    said = capsys.readouterr().out
    assert all(f"{one.name} v{one.version}" in said and one.identity in said for one in benchmarks())
