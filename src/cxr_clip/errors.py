"""Mistakes that a user can mend: one sentence each, shown without a trace, exit code 2."""


class CxrClipError(Exception):
    """Base of all errors that name what is wrong, where, and how to mend it."""


class RecipeError(CxrClipError):
    """A setting is unknown, impossible or without effect."""


class ManifestError(CxrClipError):
    """A manifest breaks a rule of its schema; the message names the rows."""


class ImageError(CxrClipError):
    """An image file cannot be turned into a picture; the message is the reason."""


class ImageTooLargeError(ImageError):
    """The header of an image promises more pixels than are allowed."""


class ReportError(CxrClipError):
    """A report file cannot be read; the message is the reason."""


class SourceError(CxrClipError):
    """A raw folder does not have the layout of the data set that it was named as."""


class PromptError(CxrClipError):
    """A prompt file is malformed or lacks a finding that is asked for."""


class CheckpointError(CxrClipError):
    """A run folder or weight file is missing, incomplete or does not fit the model."""


class TrainingError(CxrClipError):
    """Training cannot go on (a loss that is not finite, too few studies for one batch)."""


class TrainingStoppedError(TrainingError):
    """A training was asked to end (SIGTERM) and has kept a checkpoint."""


class WorkerLostError(CxrClipError):
    """Another worker of a training was killed or does not answer."""


class AnotherWorkerFailedError(CxrClipError):
    """Another worker says what is wrong; this one ends without a word."""


class EvaluationError(CxrClipError):
    """A benchmark cannot be computed on this manifest."""


class MissingPackageError(CxrClipError):
    """An optional package is needed; the message says what to install."""


class EmbeddingInputError(CxrClipError):
    """What is to be embedded is no grey 8-bit picture or no list of texts; the message says what it is."""


class EmbeddingsFileError(CxrClipError):
    """A file of embeddings is absent, damaged, or of another model or manifest."""


class SearchIndexError(CxrClipError):
    """An index is absent, damaged or of another model, or is asked for what it does not have."""


class StandardsError(CxrClipError):
    """Answers cannot be written in the standard that is asked for."""


class ExportError(CxrClipError):
    """A model cannot be written in another program's form, or differs there from itself here."""


class ServeError(CxrClipError):
    """The server cannot be started as it was asked for."""


class OutputError(CxrClipError):
    """A place that was asked for cannot be written: a folder is there, a file that is read, or nothing can be made."""


class HubError(CxrClipError):
    """A model on the hub cannot be found, fetched or written."""


class ExperimentError(CxrClipError):
    """An experiment names no arm, an unknown one, or one that differs in nothing; or its trials cannot be compared."""
