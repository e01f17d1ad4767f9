"""Whether an ONNX graph stands by itself: read from its bytes, without the onnx library, before anything loads it.

An ONNX tensor may say that its values lie in another file. A graph of a stranger could name any file of the machine
so; a package holds everything inside, and a graph with such a tensor is refused.

References
----------
The field numbers are those of `onnx.proto` (ONNX 1.x), the encoding is that of Protocol Buffers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from polyclinic.errors import BadPackage, Place

MOST_DEPTH = 16
Fields: TypeAlias = Mapping[int, str]

# Message → field number → the message in that field. Only the ways that lead to a tensor are followed.
_WITHIN: Mapping[str, Fields] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_KEYS = {wire: bytes(range(8 + wire, 128, 8)) for wire in (0, 1, 5)}
_NUMBERS = re.compile(
    rb"(?:[%s][\x80-\xff]{0,9}[\x00-\x7f]|[%s][\s\S]{8}|[%s][\s\S]{4}){1,10000}"
    % tuple(re.escape(_KEYS[wire]) for wire in (0, 1, 5))
)
"""A run of fields that hold one number each, their own numbers below 16: a tree has tens of thousands of them."""


def check_graph(data: bytes, file: str) -> None:
    """Raise `BadPackage` where the bytes are no ONNX model, or where one of its tensors lies in another file."""
    at = Place(file=file)
    try:
        external = any(_external(memoryview(data), "model", 0))
    except (IndexError, ValueError) as error:
        raise BadPackage("this is no ONNX graph", at=at, fix="take the package anew") from error
    if external:
        what = "a tensor of this ONNX graph lies in another file"
        raise BadPackage(what, at=at, fix="save the graph with all its data inside")


def _external(data: memoryview, kind: str, depth: int) -> Iterator[bool]:
    """For each tensor of a message, whether its values lie elsewhere."""
    if depth > MOST_DEPTH * 2:  # a graph within a node within a graph, so many times
        raise ValueError("too deep")
    for number, value in _fields(data, with_numbers=kind == "tensor"):
        if kind == "tensor":
            yield number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1)
        elif isinstance(value, memoryview) and number in _WITHIN[kind]:
            yield from _external(value, _WITHIN[kind][number], depth + 1)


def _fields(data: memoryview, *, with_numbers: bool) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: an integer, or the bytes of a string or message.

    with_numbers: whether fields that hold one number are wanted too.
    """
    at = 0
    while at < len(data):
        if not with_numbers and (run := _NUMBERS.match(data, at)):
            at = run.end()
            continue
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("no field of a message")
        if at + size > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no integer")
