"""Prompt files, ours or a user's, parsed at the edge: whatever is wrong is named with its finding, key and mend."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import yaml

from cxr_clip.data.findings import NO_FINDING, canonical
from cxr_clip.data.prompt_grammar import expand
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty

Slots = Mapping[str, tuple[str, ...]]
Groups = tuple[tuple[str, ...], ...]

_CERTAINTIES = {
    **{"positive": Certainty.POSITIVE, "negative": Certainty.NEGATIVE, "uncertain": Certainty.UNCERTAIN},
    **{"pos": Certainty.POSITIVE, "neg": Certainty.NEGATIVE, "unc": Certainty.UNCERTAIN},
}

_MEANINGS = ("present", "absent", "possible", "left", "right", "least", "most")


def read_training_prompts(path: Path) -> dict[tuple[str, Certainty], Groups]:
    """The sentences of a prompt file by finding and certainty, grouped by template.

    Two shapes, told apart by the key `findings`: the grammar described in `resources/prompts_train.yaml`, and plain
    lists `{finding: {pos: [...], neg: [...], unc: [...]}}`. YAML or JSON, whatever the suffix.

    Raises PromptError for a file that breaks its shape, and for a key that is given twice.
    """
    top = _read(path)
    shared = _slots(top.get("slots", {}), where=f"{path}: slots") if "findings" in top else {}
    if "findings" in top:
        _only(top, ("slots", "findings"), where=str(path))
    by_finding = _mapping(top.get("findings", top), where=f"{path}: findings" if "findings" in top else str(path))
    groups: dict[tuple[str, Certainty], Groups] = {}
    for name, (finding, entry) in _canonical_keys(by_finding, where=str(path)).items():
        for certainty, sentences in _of_finding(entry, shared, where=f"{path}: {name}").items():
            groups[finding, certainty] = sentences
    if (NO_FINDING, Certainty.POSITIVE) not in groups:
        raise PromptError(
            f"{path}: positive sentences for {NO_FINDING!r} are missing, and studies without any finding need them: "
            f"add the finding {NO_FINDING!r} with such sentences"
        )
    return groups


def read_zero_shot_prompts(path: Path, *, style: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The positive and negative prompts of one style by finding: `{style: {finding: {positive, negative}}}`.

    Raises PromptError for a file that breaks its shape, for a key that is given twice, and for an unknown style.
    """
    styles = _read(path)
    if style not in styles:
        raise PromptError(f"{path} has no prompt style {style!r}: {_instead(style, styles)}")
    prompts = {}
    where = f"{path}: {style}"
    for name, (finding, entry) in _canonical_keys(_mapping(styles[style], where=where), where=where).items():
        pair = _mapping(entry, where=f"{where}: {name}")
        _only(pair, ("positive", "negative"), where=f"{where}: {name}")
        positive, negative = (
            _texts(pair.get(key, []), where=f"{where}: {name}: {key}") for key in ("positive", "negative")
        )
        prompts[finding] = positive, negative
    return prompts


def styles_of(path: Path) -> tuple[str, ...]:
    """The styles of a file of zero-shot prompts, in the order in which they stand there.

    Raises PromptError where there is none, and for a key that is given twice.
    """
    styles = tuple(_read(path))
    if not styles:
        raise PromptError(
            f"{path} has no style of prompts: write {{style: {{finding: {{positive: [...], negative: [...]}}}}}}"
        )
    return styles


def read_class_prompts(path: Path) -> dict[str, tuple[str, ...]]:
    """The set of prompts of each class: `{finding: {slots: {...}, prompts: [templates]}}`, in the order of the file.

    Raises PromptError for a file that breaks its shape, and for a key that is given twice.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for name, (finding, entry) in _canonical_keys(_read(path), where=str(path)).items():
        where = f"{path}: {name}"
        keys = _mapping(entry, where=where)
        _only(keys, ("slots", "prompts"), where=where)
        slots = _slots(keys.get("slots", {}), where=f"{where}: slots")
        templates = _texts(keys.get("prompts", []), where=f"{where}: prompts")
        expanded = (text for template in templates for text in _expanded(template, slots, where=where))
        sets[finding] = tuple(dict.fromkeys(expanded))
    return sets


def read_meaning_prompts(path: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """The sentences of each finding by meaning, as `resources/prompts_meaning.yaml` describes them.

    Raises PromptError for a file that breaks its shape, and for a key that is given twice.
    """
    top = _read(path)
    _only(top, ("frames", "findings"), where=str(path))
    frames = _frames(top.get("frames"), where=f"{path}: frames")
    sentences = {}
    entries = _mapping(top.get("findings"), where=f"{path}: findings")
    for name, (finding, entry) in _canonical_keys(entries, where=str(path)).items():
        where = f"{path}: {name}"
        slots, meanings = _meanings_of(entry, where=where)
        sentences[finding] = {
            meaning: tuple(one for frame in frames[meaning] for one in _expanded(frame, slots, where=where))
            for meaning in meanings
        }
    return sentences


def _frames(value: object, *, where: str) -> dict[str, tuple[str, ...]]:
    """The forms of each meaning, as many of one as of the other."""
    listed = _mapping(value, where=where)
    _only(listed, _MEANINGS, where=where)
    frames = {meaning: _texts(listed.get(meaning), where=f"{where}: {meaning}") for meaning in _MEANINGS}
    counts = {meaning: len(forms) for meaning, forms in frames.items()}
    if len(set(counts.values())) > 1:
        raise PromptError(f"{where}: form i of each meaning belongs together, found {counts}: give as many of each")
    return frames


def _meanings_of(entry: object, *, where: str) -> tuple[Slots, tuple[str, ...]]:
    """The words of one finding, and the meanings that it has."""
    keys = _mapping(entry, where=where)
    _only(keys, ("noun", "sides", "grades"), where=where)
    (noun,) = _texts([keys.get("noun")], where=f"{where}: noun")
    grades = _texts(keys["grades"], where=f"{where}: grades") if "grades" in keys else ()
    if len(grades) not in (0, 2):
        raise PromptError(f"{where}: grades are the words for little and for much, found {_shown(grades)}: give two")
    sides = keys.get("sides", False)
    if not isinstance(sides, bool):
        raise PromptError(f"{where}: sides is true or false, found {_shown(sides)}")
    slots = {"noun": (noun,), **{key: (word,) for key, word in zip(("least", "most"), grades, strict=False)}}
    return slots, (*_MEANINGS[:3], *(_MEANINGS[3:5] if sides else ()), *(_MEANINGS[5:] if grades else ()))


def _of_finding(entry: object, shared: Slots, *, where: str) -> dict[Certainty, Groups]:
    """The sentences of one finding by certainty."""
    keys = _mapping(entry, where=where)
    _only(keys, ("slots", *_CERTAINTIES), where=where)
    slots = {**shared, **_slots(keys.get("slots", {}), where=f"{where}: slots")}
    groups: dict[Certainty, Groups] = {}
    for key, templates in keys.items():
        if key == "slots" or templates == []:
            continue
        if _CERTAINTIES[key] in groups:
            raise PromptError(f"{where}: {_CERTAINTIES[key].value} sentences are given twice: join the two lists")
        groups[_CERTAINTIES[key]] = tuple(
            _expanded(template, slots, where=f"{where}: {key}")
            for template in _texts(templates, where=f"{where}: {key}")
        )
    if Certainty.POSITIVE not in groups:
        raise PromptError(f"{where}: positive sentences are missing: add a list `positive` (or `pos`)")
    return groups


def _expanded(template: str, slots: Slots, *, where: str) -> tuple[str, ...]:
    try:
        return expand(template, slots)
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error


def _read(path: Path) -> Mapping[str, object]:
    """The top mapping of a YAML or JSON file (JSON is YAML)."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"The prompt file {path} cannot be read ({error}): give the path of a YAML file") from error
    try:
        for mapping in _mapping_nodes(yaml.compose(text, Loader=yaml.CSafeLoader), set()):
            _no_repeats(mapping, where=str(path))
        return _mapping(yaml.load(text, Loader=yaml.CSafeLoader), where=str(path))
    except yaml.YAMLError as error:
        raise PromptError(f"The prompt file {path} is not valid YAML: {' '.join(str(error).split())}") from error


def _mapping_nodes(node: yaml.Node | None, met: set[int]) -> Iterator[yaml.MappingNode]:
    """The mappings at and below a node in the order of the file, each once, however many aliases lead to it."""
    if node is None or id(node) in met:
        return
    met.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        below = [value for _, value in node.value]
    else:
        below = node.value if isinstance(node, yaml.SequenceNode) else []
    for inner in below:
        yield from _mapping_nodes(inner, met)


def _no_repeats(mapping: yaml.MappingNode, *, where: str) -> None:
    """Refuse a key that is given twice: YAML and JSON readers keep the last one and drop the others silently."""
    lines: dict[str, int] = {}
    for key in [key for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)]:
        line = key.start_mark.line + 1
        if key.value in lines:
            raise PromptError(
                f"{where}: line {line}: {key.value!r} is given a second time (first in line {lines[key.value]}), "
                "and only one of the two would count: join them"
            )
        lines[key.value] = line


def _canonical_keys(entries: Mapping[str, object], *, where: str) -> dict[str, tuple[str, object]]:
    """Finding names as written -> canonical name and entry."""
    keyed: dict[str, tuple[str, object]] = {}
    for name, entry in entries.items():
        try:
            finding = canonical(name)
        except PromptError as error:
            raise PromptError(f"{where}: {error}") from error
        twin = next((other for other, (known, _) in keyed.items() if known == finding), None)
        if twin is not None:
            raise PromptError(f"{where}: {twin!r} and {name!r} are the same finding: join the two entries")
        keyed[name] = finding, entry
    return keyed


def _slots(value: object, *, where: str) -> Slots:
    phrases = {}
    for name, listed in _mapping(value, where=where).items():
        if not name.isidentifier():
            raise PromptError(f"{where}: slot name {name!r} is not one word of letters, digits and _: rename it")
        phrases[name] = _texts(listed, where=f"{where}: {name}")
    return phrases


def _mapping(value: object, *, where: str) -> Mapping[str, object]:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise PromptError(f"{where}: expected `name: ...` entries, found {_shown(value)}")


def _texts(value: object, *, where: str) -> tuple[str, ...]:
    """A list of texts, none of them empty, at least one."""
    if not isinstance(value, list) or not value:
        raise PromptError(f"{where}: expected a list with at least one sentence, found {_shown(value)}")
    for number, text in enumerate(value, start=1):
        if not isinstance(text, str) or not text.strip():
            raise PromptError(
                f"{where}: number {number} is {_shown(text)}, not a sentence: write it in quotes, or remove it"
            )
    return tuple(value)


def _only(mapping: Mapping[str, object], allowed: tuple[str, ...], *, where: str) -> None:
    for key in mapping:
        if key not in allowed:
            raise PromptError(f"{where}: unknown key {key!r}: {_instead(key, allowed)}")


def _instead(seen: str, allowed: Mapping[str, object] | tuple[str, ...]) -> str:
    near = get_close_matches(seen, allowed, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(allowed)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
