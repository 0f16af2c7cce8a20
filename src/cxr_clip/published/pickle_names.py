"""The names that a checkpoint may mention, and what becomes of those that it calls: the allow-list.

Nothing here is looked up in a module. What torch writes as a call - a tensor, an ordered dict - is made by functions of
ours; the classes of OmegaConf settings become records.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cxr_clip.published.pickled import RefusedError, Storage, StoredTensor, Symbol

STORAGES = frozenset(
    {"FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage"}
    | {"LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage"}
)
# Classes of OmegaConf settings: kept as records.
RECORDS = frozenset(
    {Symbol("omegaconf.listconfig", "ListConfig"), Symbol("omegaconf.dictconfig", "DictConfig")}
    | {Symbol("omegaconf.base", name) for name in ("Metadata", "ContainerMetadata")}
    | {Symbol("omegaconf.nodes", name) for name in ("AnyNode", "StringNode", "IntegerNode", "FloatNode", "BooleanNode")}
)
# Names that are mentioned as values and never called: types of settings.
_MENTIONED = frozenset(
    {Symbol("typing", "Any")}
    | {
        Symbol(module, name)
        for module in ("builtins", "__builtin__")
        for name in ("bool", "dict", "float", "int", "list", "long", "str", "tuple")
    }
)
_LONGEST_SHAPE = 8
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def known(symbol: Symbol) -> Symbol:
    """Return a symbol of the allow-list; raises RefusedError for any other."""
    storage = symbol.module == "torch" and symbol.name in STORAGES
    if storage or symbol in RECORDS or symbol in _MENTIONED or symbol in CALLS:
        return symbol
    raise RefusedError(f"its pickle names {str(symbol)[:120]}, which no checkpoint of CXR-CLIP needs")


def _tensor(arguments: tuple[object, ...]) -> StoredTensor:
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    sizes, steps = _counts(shape), _counts(strides)
    if len(sizes) != len(steps):
        raise ValueError("a tensor with more sizes than strides, or fewer")
    return StoredTensor(storage=storage, offset=_count(offset), shape=sizes, strides=steps)


def _dictionary(_arguments: tuple[object, ...]) -> dict[object, object]:
    """An ordered dict or one with a default: both are written empty and filled afterwards."""
    return {}


def storage_of(description: object) -> Storage:
    """Return the storage of a persistent id: ("storage", type, key, device, count); or raise RefusedError."""
    kind, storage_type, key, _device, count = _values(description, 5)
    if kind != "storage" or not isinstance(storage_type, Symbol) or storage_type.name not in STORAGES:
        raise ValueError("a storage is not described as torch does")
    if not isinstance(key, str) or not _NUMBER.fullmatch(key):
        raise RefusedError("it names a part of itself other than by the numbers that torch gives")
    return Storage(kind=storage_type.name, key=key, count=_count(count))


def _values(value: object, count: int) -> tuple[object, ...]:
    if not isinstance(value, tuple) or len(value) != count:
        raise ValueError("a storage is not described as torch does")
    return value


def _counts(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > _LONGEST_SHAPE:
        raise ValueError("a tensor of impossible shape")
    return tuple(map(_count, value))


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise ValueError("a size that no tensor has")
    return value


CALLS: Mapping[Symbol, Callable[[tuple[object, ...]], object]] = MappingProxyType(
    {
        Symbol("collections", "OrderedDict"): _dictionary,
        Symbol("collections", "defaultdict"): _dictionary,
        Symbol("torch._utils", "_rebuild_tensor_v2"): _tensor,
    }
)
