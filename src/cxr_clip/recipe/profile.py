"""The published code's behaviour as settings: what `profile: published` writes where a recipe says nothing.

Each is an ordinary setting that can be given alone; docs/differences.md has them with their reasons. What is not known
of the published code is not here, and neither are its faults.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cxr_clip.recipe.section import Section

PUBLISHED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "data": {"training_pixels": "exact", "sentence_order": "written"},
        "train": {"weight_decay_on": "all", "best_by": "loss"},
    }
)
# The published Swin hands over its first token; its ResNet has none.
SWIN_POOLING = "first"
_SWIN_NAMES = ("swin-tiny", "microsoft/swin-tiny-patch4-window7-224")


def as_published(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings not yet checked, with the published values in the place of those that are absent."""
    filled = dict(settings)
    for section, values in PUBLISHED.items():
        given = _given(settings.get(section, {}))
        if given is not None:
            # Without weight decay it makes no difference, and would be refused, what it acts on.
            without = {"weight_decay_on"} if given.get("weight_decay") == 0 else set()
            filled[section] = {**{name: values[name] for name in values.keys() - without}, **given}
    model = _given(settings.get("model"))
    image = _given(model.get("image")) if model is not None else None
    if model is not None and image is not None and _is_swin(image):
        filled["model"] = {**model, "image": {"pooling": SWIN_POOLING, **image}}
    return filled


def _given(section: object) -> dict[str, Any] | None:
    """What a section says, given as a mapping or as settings already; None where it is neither, which is told later."""
    if isinstance(section, Section):
        return section.model_dump(exclude_unset=True)
    return dict(section) if isinstance(section, Mapping) else None


def _is_swin(image: Mapping[str, Any]) -> bool:
    architecture = image.get("architecture")
    if isinstance(architecture, Mapping):
        return architecture.get("model_type") == "swin"
    return architecture in _SWIN_NAMES or image.get("pretrained") in _SWIN_NAMES
