"""The stack machine that a pickle is a program for, reduced to what a checkpoint needs; it can call nothing."""

from collections.abc import Callable

from cxr_clip.published.pickle_names import CALLS, RECORDS, known, storage_of
from cxr_clip.published.pickled import Record, RefusedError, Symbol


class Machine:
    """The stack, its marks and the memo of a pickle that is being read.

    Each method is an opcode of the pickle protocol. ValueError, IndexError and KeyError are damages of the pickle.
    """

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def push_new(self, make: Callable[[], object]) -> None:
        """Put a new list or dict on the stack."""
        self._stack.append(make())

    def pop(self) -> object:
        """Take the last value, which must lie above the last mark."""
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise ValueError("a value is missing above a mark")
        return self._stack.pop()

    def mark(self) -> None:
        """Remember how high the stack is."""
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[object]:
        """Take all values above the last mark."""
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    def remember(self, number: int | None) -> None:
        """Give the last value a number, the next one if there is none."""
        self._memo[len(self._memo) if number is None else number] = self._stack[-1]

    def recall(self, number: int) -> None:
        """Put the value of a number on the stack."""
        self.push(self._memo[number])

    def tuple_of(self, count: int) -> None:
        """Make a tuple of the last values."""
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def tuple_since_mark(self) -> None:
        """Make a tuple of all values above the mark."""
        self.push(tuple(self.since_mark()))

    def append(self) -> None:
        """Append the last value to the list below it."""
        value = self.pop()
        _list(self._stack[-1]).append(value)

    def appends(self) -> None:
        """Append all values above the mark to the list below it."""
        values = self.since_mark()
        _list(self._stack[-1]).extend(values)

    def set_item(self) -> None:
        """Put a key and its value into the dict below them."""
        value, key = self.pop(), self.pop()
        _mapping(self._stack[-1])[_key(key)] = value

    def set_items(self) -> None:
        """Put all keys and values above the mark into the dict below it."""
        values = self.since_mark()
        target = _mapping(self._stack[-1])
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def name(self, module: str, name: str) -> None:
        """Put a name on the stack, if it is one that a checkpoint mentions."""
        self.push(known(Symbol(module, name)))

    def stack_name(self) -> None:
        """The same with module and name from the stack."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no word")
        self.name(module, name)

    def storage(self) -> None:
        """Make the place of a tensor's numbers of its description."""
        self.push(storage_of(self.pop()))

    def reduce(self) -> None:
        """Make what a call would give, if it is one that torch writes."""
        arguments, function = self.pop(), self.pop()
        call = CALLS.get(function) if isinstance(function, Symbol) else None
        if call is None:
            raise RefusedError(f"its pickle calls {_shown(function)}")
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        self.push(call(arguments))

    def new_object(self) -> None:
        """Make an empty record of a class of settings."""
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, Symbol) or kind not in RECORDS or arguments != ():
            raise RefusedError(f"its pickle makes an object of {_shown(kind)}")
        self.push(Record(kind))

    def build(self) -> None:
        """Give a record its state; that of a dict of weights is a table of versions, which is not kept."""
        state, target = self.pop(), self._stack[-1]
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):
            raise RefusedError("its pickle changes the state of a value")


def _shown(value: object) -> str:
    return str(value) if isinstance(value, Symbol) else "a value"


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("something is appended to what is no list")
    return value


def _mapping(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise ValueError("an item is set in what is no dict")
    return value


def _key(value: object) -> object:
    # Not tuples: hashing nested ones can take for ever.
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError("a key that is neither a word nor a number")
