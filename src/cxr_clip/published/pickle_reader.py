"""Reads the pickle of a checkpoint as data: its opcodes are interpreted here, and nothing in it is called or imported.

Python's unpickler can be told which names to look up, but it still reserves the memory that a file asks for and calls
what was looked up. Here a name is a `Symbol`, and the few calls that torch writes are known by name and made by
functions of ours. Opcodes, names and calls beyond those of a checkpoint are refused.
"""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cxr_clip.published.pickle_machine import Machine
from cxr_clip.published.pickled import RefusedError

STOP = b"."


def read_pickle(data: bytes) -> object:
    """Return the value of a pickle: dicts, lists, tuples, strings, numbers, and the records of pickled.py.

    Raises RefusedError for anything that a checkpoint does not need, and for damage.
    """
    machine, source = Machine(), _Source(data)
    try:
        while (code := source.take(1)) != STOP:
            step = _STEPS.get(code)
            if step is None:
                raise RefusedError(f"its pickle has the opcode 0x{code.hex()}, which no checkpoint has")
            step(machine, source)
        return machine.pop()
    except (ValueError, IndexError, KeyError) as error:
        raise RefusedError(f"its pickle is damaged ({str(error)[:200]})") from error


class _Source:
    """The bytes of a pickle, from front to back; asking for more than there are is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._place : self._place + count]
        if len(taken) < count:
            raise ValueError("it ends too early")
        self._place += count
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def text(self, size: int) -> str:
        return self.take(self.number(size)).decode("utf-8", "surrogatepass")

    def line(self) -> str:
        end = self._data.index(b"\n", self._place)
        return self.take(end + 1 - self._place)[:-1].decode("utf-8")


# Opcode -> what it does, with its argument where it has one; the names are those of Python's pickletools.
_STEPS: Mapping[bytes, Callable[[Machine, _Source], object]] = MappingProxyType(
    {
        b"\x80": lambda _, source: source.take(1),  # PROTO
        b"\x95": lambda _, source: source.take(8),  # FRAME
        b"N": lambda machine, _: machine.push(None),
        b"\x88": lambda machine, _: machine.push(True),  # NEWTRUE
        b"\x89": lambda machine, _: machine.push(False),  # NEWFALSE
        b")": lambda machine, _: machine.push(()),
        b"]": lambda machine, _: machine.push_new(list),
        b"}": lambda machine, _: machine.push_new(dict),
        b"J": lambda machine, source: machine.push(source.number(4, signed=True)),  # BININT
        b"K": lambda machine, source: machine.push(source.number(1)),
        b"M": lambda machine, source: machine.push(source.number(2)),
        b"\x8a": lambda machine, source: machine.push(source.number(source.number(1), signed=True)),  # LONG1
        b"G": lambda machine, source: machine.push(struct.unpack(">d", source.take(8))[0]),  # BINFLOAT
        b"X": lambda machine, source: machine.push(source.text(4)),  # BINUNICODE
        b"\x8c": lambda machine, source: machine.push(source.text(1)),  # SHORT_BINUNICODE
        b"(": lambda machine, _: machine.mark(),
        b"t": lambda machine, _: machine.tuple_since_mark(),
        b"\x85": lambda machine, _: machine.tuple_of(1),
        b"\x86": lambda machine, _: machine.tuple_of(2),
        b"\x87": lambda machine, _: machine.tuple_of(3),
        b"a": lambda machine, _: machine.append(),
        b"e": lambda machine, _: machine.appends(),
        b"s": lambda machine, _: machine.set_item(),
        b"u": lambda machine, _: machine.set_items(),
        b"q": lambda machine, source: machine.remember(source.number(1)),  # BINPUT
        b"r": lambda machine, source: machine.remember(source.number(4)),
        b"\x94": lambda machine, _: machine.remember(None),  # MEMOIZE
        b"h": lambda machine, source: machine.recall(source.number(1)),  # BINGET
        b"j": lambda machine, source: machine.recall(source.number(4)),
        b"c": lambda machine, source: machine.name(source.line(), source.line()),  # GLOBAL
        b"\x93": lambda machine, _: machine.stack_name(),  # STACK_GLOBAL
        b"Q": lambda machine, _: machine.storage(),  # BINPERSID
        b"R": lambda machine, _: machine.reduce(),
        b"\x81": lambda machine, _: machine.new_object(),  # NEWOBJ
        b"b": lambda machine, _: machine.build(),
    }
)
