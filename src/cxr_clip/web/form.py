"""A multipart form, read from the wire into memory: every limit is checked while reading, and no file is written."""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from cxr_clip.web.limits import Limits
from cxr_clip.web.refusals import BAD_VALUES, NO_PICTURE, QUEUE_FULL, TOO_LARGE, RefusalError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

IMAGES = "images"
# Of text fields; each filter value is one.
MOST_FIELDS = 256


@dataclass(frozen=True)
class Form:
    """The files of the field `images`, in their order, and all text fields; file names are not taken up."""

    images: tuple[bytes, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value for key, value in self.fields if key == name)

    def one(self, name: str) -> str | None:
        """The value of a field; None where it is absent. Raises RefusalError where it is given twice."""
        values = self.all(name)
        if len(values) > 1:
            raise RefusalError(BAD_VALUES, f"the field {name} is given {len(values)} times: give it once")
        return values[0] if values else None


class HeldBytes:
    """How many bytes of uploads are in memory, of all requests together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    def take(self, count: int) -> None:
        """Count bytes that came. Raises RefusalError where that is more than may be held."""
        if self.held + count > self.most:
            raise RefusalError(QUEUE_FULL, "the server holds as many uploads as it may: try again in a moment")
        self.held += count

    def give(self, count: int) -> None:
        """Count bytes that went."""
        self.held -= count


async def read_form(
    stream: AsyncIterator[bytes],
    content_type: str,
    *,
    names: Collection[str],
    limits: Limits,
    took: Callable[[int], None],
) -> Form:
    """Read a form whose text fields are of `names`; `took` is told of every block of bytes, and may refuse it.

    Raises RefusalError where it is no form, is cut short, has other fields, or is larger than the limits.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RefusalError(NO_PICTURE, f"the content type {_shown(kind)} is no form: send multipart/form-data")
    parts = _Parts(names, limits)
    try:
        parser = MultipartParser(options[b"boundary"], parts.callbacks)
        came = 0
        async for block in stream:
            came += len(block)
            # Neither files nor fields: what stands before, between and behind them has no limit of its own.
            if came > limits.body_bytes:
                raise RefusalError(TOO_LARGE, f"the form has more than {limits.body_bytes:,} bytes: send less")
            took(len(block))
            if block:
                parser.write(block)
        parser.finalize()
    except FormParserError as error:
        raise RefusalError(BAD_VALUES, "the form is malformed: send multipart/form-data as RFC 7578 has it") from error
    if not parts.ended:
        raise RefusalError(BAD_VALUES, "the form is cut short: its last boundary is missing")
    return Form(tuple(bytes(one) for one in parts.images), tuple(parts.fields))


def _shown(kind: bytes) -> str:
    return repr(kind.decode("latin-1")[:80]) if kind else "that is absent"


class _Parts:
    """What the parser calls: the parts so far, and the one that is being read."""

    def __init__(self, names: Collection[str], limits: Limits) -> None:
        self.images: list[bytearray] = []
        self.fields: list[tuple[str, str]] = []
        self.ended = False
        self._names, self._limits = names, limits
        self._field_bytes = 0

    @property
    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._key.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def _begin(self) -> None:
        self._key, self._value, self._disposition = bytearray(), bytearray(), b""
        self._content = bytearray()

    def _end_header(self) -> None:
        if self._key.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._key, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == IMAGES:
            if len(self.images) == self._limits.files:
                raise RefusalError(TOO_LARGE, f"there are more than {self._limits.files} images: send fewer")
            self.images.append(self._content)
        elif self._name not in self._names:
            known = ", ".join((IMAGES, *sorted(self._names)))
            raise RefusalError(BAD_VALUES, f"there is no field {self._name[:80]!r}: the fields are {known}")
        elif len(self.fields) == MOST_FIELDS:
            raise RefusalError(TOO_LARGE, f"there are more than {MOST_FIELDS} text fields: send fewer")

    def _data(self, data: bytes, start: int, end: int) -> None:
        size = end - start
        if self._name == IMAGES:
            if len(self._content) + size > self._limits.file_bytes:
                raise RefusalError(
                    TOO_LARGE,
                    f"picture {len(self.images) - 1} has more than {self._limits.file_bytes:,} bytes: send less",
                )
        else:
            self._field_bytes += size
            if self._field_bytes > self._limits.field_bytes:
                raise RefusalError(
                    TOO_LARGE, f"the text fields have more than {self._limits.field_bytes:,} bytes: send less text"
                )
        self._content += memoryview(data)[start:end]

    def _end(self) -> None:
        if self._name == IMAGES:
            return
        try:
            self.fields.append((self._name, self._content.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise RefusalError(BAD_VALUES, f"the field {self._name} is not UTF-8: encode it so") from error

    def _end_all(self) -> None:
        self.ended = True
