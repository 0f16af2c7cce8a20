"""Which studies of a manifest a training learns from and validates on, by the settings of its recipe."""

from cxr_clip.data.hold_out import findings_to_hold_out, without
from cxr_clip.data.manifest import Manifest
from cxr_clip.data.patients import first_patients
from cxr_clip.recipe import DataSettings
from cxr_clip.study import Split


def learned_from(manifest: Manifest, settings: DataSettings) -> Manifest:
    """The training studies: those of the part of the patients, without what is held out."""
    return without(training_part(manifest, settings), findings_to_hold_out(settings.hold_out))


def validated_on(manifest: Manifest, settings: DataSettings) -> Manifest:
    """The validation studies, without what is held out."""
    return without(manifest.where(split=Split.VALIDATE), findings_to_hold_out(settings.hold_out))


def training_part(manifest: Manifest, settings: DataSettings) -> Manifest:
    """The training studies of the part of the patients that is asked for; of all patients where none is."""
    train, part = manifest.where(split=Split.TRAIN), settings.part
    return train if part is None else first_patients(train, part.fraction, seed=part.seed)
