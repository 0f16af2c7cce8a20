"""What a server does not do, as one sentence with the HTTP status that says so."""

from cxr_clip.errors import CxrClipError, EmbeddingInputError, ImageError, ImageTooLargeError

FORBIDDEN, ABSENT, TOO_LARGE, NO_PICTURE, BAD_VALUES, QUEUE_FULL, TOO_SLOW = 403, 404, 413, 415, 422, 429, 504


class RefusalError(CxrClipError):
    """A request is refused with a status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def of_picture(error: ImageError | EmbeddingInputError, name: str) -> RefusalError:
    """Why a picture is refused; `name` is how the sentence calls it, unless the error does."""
    sentence = str(error) if isinstance(error, EmbeddingInputError) else f"{name}: {error}"
    return RefusalError(TOO_LARGE if isinstance(error, ImageTooLargeError) else NO_PICTURE, sentence)
