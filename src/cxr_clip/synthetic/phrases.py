"""Findings in a radiologist's words: noun phrases, and doubt."""

from dataclasses import dataclass

import numpy as np

from cxr_clip.data.articles import indefinite_article
from cxr_clip.synthetic.pathology import FindingInstance


@dataclass(frozen=True)
class NounPhrase:
    """A finding as a noun phrase without article, such as "small left pleural effusion"."""

    text: str
    plural: bool = False
    counted: bool = True

    @property
    def with_article(self) -> str:
        """The phrase as it stands after "there is"."""
        if self.plural or not self.counted:
            return self.text
        return f"{indefinite_article(self.text.split()[0])} {self.text}"

    @property
    def verb(self) -> str:
        """Is or are."""
        return "are" if self.plural else "is"


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def noun_phrase(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    """A finding with its side, place and severity as a noun phrase."""
    return _PHRASE[f.name](f, rng)


def region(f: FindingInstance) -> str:
    """Where in the lung, such as "right upper lobe", "lingula" or "left base"."""
    if f.location == "lingula":
        return "lingula"
    if f.location == "base":
        return "lung bases" if f.side == "bilateral" else f"{f.side} lung base"
    return f"{f.side} {f.location}" if f.location else f"{f.side} lung"


def doubtful(f: FindingInstance, rng: np.random.Generator) -> str:
    """A sentence that suspects a finding."""
    phrase = noun_phrase(f, rng)
    frame = pick(rng, _DOUBT)
    return sentence(frame.format(np=phrase.text, anp=phrase.with_article, verb=phrase.verb))


def size_of(f: FindingInstance) -> str:
    """The size of a nodule or mass as it is reported, else nothing."""
    sizes = {
        ("Nodule", "small"): "1.7 cm",
        ("Nodule", "moderate"): "2.4 cm",
        ("Mass", "moderate"): "4 cm",
        ("Mass", "large"): "6 cm",
    }
    return sizes.get((f.name, f.severity or ""), "")


def _cardiomegaly(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    severe = pick(rng, ("severe", "marked")) if f.severity == "severe" else f.severity
    noun = pick(rng, ("cardiomegaly", "cardiomegaly", "enlargement of the cardiac silhouette", "cardiac enlargement"))
    return NounPhrase(f"{severe} {noun}", counted=False)


def _effusion(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    size = pick(rng, ("small", "trace", "minimal")) if not f.is_sure else f.severity
    size = pick(rng, ("moderate", "moderate-sized")) if size == "moderate" else size
    noun = pick(rng, ("pleural effusion", "pleural effusion", "effusion"))
    return NounPhrase(f"{size} {f.side} {noun}{'s' if f.side == 'bilateral' else ''}", plural=f.side == "bilateral")


def _pneumothorax(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    apical = "apical " if f.location == "apex" and rng.random() < 0.7 else ""
    return NounPhrase(f"{f.severity} {f.side} {apical}pneumothorax")


def _consolidation(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    third = "consolidation" if f.severity == "mild" else "focal consolidation"  # what is patchy is not focal
    noun = pick(rng, ("consolidation", "consolidation", "airspace consolidation", third))
    degree = {"mild": "patchy ", "moderate": "", "severe": "dense "}[f.severity or "moderate"]
    if rng.random() < 0.5 and f.location != "lingula":
        return NounPhrase(f"{degree}{region(f)} {noun}", counted=False)
    return NounPhrase(f"{degree}{noun} in the {region(f)}", counted=False)


def _edema(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    kind = pick(rng, (f"{f.kind} pulmonary edema", "pulmonary edema", f"{f.kind} edema"))
    return NounPhrase(f"{f.severity} {kind}", counted=False)


def _atelectasis(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    if f.kind == "lobar":
        return NounPhrase(
            f"{f.side} upper lobe {pick(rng, ('atelectasis', 'collapse', 'lobar atelectasis'))}", counted=False
        )
    where = (
        "bibasilar"
        if f.side == "bilateral"
        else pick(rng, (f"{f.side} basilar", f"{f.side} lower lung", f"{f.side} base"))
    )
    kind = pick(rng, ("", "linear ", "platelike ", "subsegmental ", "discoid "))
    degree = pick(rng, ("mild ", "minimal ")) if f.severity == "mild" else pick(rng, ("moderate ", ""))
    return NounPhrase(f"{degree}{where} {kind}atelectasis", counted=False)


def _nodule(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    if f.kind == "multiple":
        return NounPhrase(
            f"multiple {f.severity}-sized bilateral {pick(rng, ('pulmonary', 'lung'))} nodules".replace(
                "small-sized", "small"
            ),
            plural=True,
        )
    size = pick(rng, (size_of(f), f.severity or "small", "rounded", "solitary"))
    if f.location == "lingula" or rng.random() < 0.5:
        return NounPhrase(f"{size} {pick(rng, ('nodule', 'pulmonary nodule', 'lung nodule'))} in the {region(f)}")
    return NounPhrase(f"{size} {region(f)} nodule")


def _mass(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    size = pick(rng, (size_of(f), "large" if f.severity == "large" else "lobulated", "rounded"))
    if f.location == "lingula" or rng.random() < 0.5:
        return NounPhrase(f"{size} {pick(rng, ('mass', 'pulmonary mass', 'lung mass'))} in the {region(f)}")
    return NounPhrase(f"{size} {region(f)} mass")


def _emphysema(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    noun = pick(rng, ("emphysema", "pulmonary emphysema", "emphysematous change", "emphysema with hyperinflation"))
    return NounPhrase(f"{f.severity} {noun}", counted=False)


def _fracture(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    if f.kind == "ribs":
        return NounPhrase(f"{pick(rng, ('displaced', 'multiple', 'several'))} {f.side} rib fractures", plural=True)
    bone = pick(rng, ("clavicle", "midshaft clavicular", "clavicular"))
    return NounPhrase(f"{pick(rng, ('displaced ', '', 'angulated '))}{f.side} {bone} fracture")


def _hernia(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    return NounPhrase(
        f"{f.severity} {pick(rng, ('hiatal hernia', 'hiatal hernia', 'sliding hiatal hernia', 'hiatus hernia'))}"
    )


def _device(f: FindingInstance, rng: np.random.Generator) -> NounPhrase:
    side = f"{f.side} " if f.side else ""
    nouns = {
        "pacemaker": ("dual-lead pacemaker", "chest wall pacemaker", "cardiac pacemaker with two leads"),
        "central line": ("internal jugular central venous catheter", "jugular central line"),
        "picc": ("PICC line", "upper extremity PICC", "PICC"),
        "port": ("chest port", "subclavian port catheter", "Port-A-Cath"),
        "sternal wires": ("median sternotomy wires", "sternotomy wires", "sternal wires and mediastinal clips"),
        "endotracheal tube": ("endotracheal tube", "ET tube"),
        "enteric tube": ("enteric tube", "nasogastric tube"),
    }[f.kind or "pacemaker"]
    return NounPhrase(side + pick(rng, nouns), plural=f.kind == "sternal wires")


_PHRASE = {
    "Cardiomegaly": _cardiomegaly,
    "Pleural Effusion": _effusion,
    "Pneumothorax": _pneumothorax,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Atelectasis": _atelectasis,
    "Nodule": _nodule,
    "Mass": _mass,
    "Emphysema": _emphysema,
    "Fracture": _fracture,
    "Hernia": _hernia,
    "Support Devices": _device,
}
_DOUBT = (
    "possible {np}",
    "questionable {np}",
    "{anp} cannot be excluded",
    "cannot exclude {anp}",
    "there may be {anp}",
    "findings may represent {np}",
    "subtle findings raise the question of {np}",
)
