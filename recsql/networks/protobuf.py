"""What an ONNX file says of itself, read without the package onnx: its opset, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recsql.errors import StateError

# Numbers of fields in onnx.proto.
_OPSET_IMPORT, _GRAPH = 8, 7  # of ModelProto
_DOMAIN, _VERSION = 1, 2  # of OperatorSetIdProto
_INITIALIZER = 5  # of GraphProto
_DATA_LOCATION, _EXTERNAL = 14, 1  # of TensorProto
_STANDARD = (b"", b"ai.onnx")
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_SIZE_OF = {_FIXED_64: 8, _FIXED_32: 4}


def opset_of(content: bytes) -> int:
    """Give the opset of a graph: the version of the standard operators.

    Raises
    ------
    StateError
        The bytes are no whole ONNX file.
    """
    try:
        return _opset(memoryview(content))
    except ValueError as error:
        raise _damaged(error) from error


def has_external_weights(content: bytes) -> bool:
    """Tell whether weights lie in another file, which would not be stored with the graph.

    Raises
    ------
    StateError
        The bytes are no whole ONNX file.
    """
    try:
        tensors = _messages(_messages([memoryview(content)], _GRAPH), _INITIALIZER)
        return any((_DATA_LOCATION, _EXTERNAL) in _fields(tensor) for tensor in tensors)
    except ValueError as error:
        raise _damaged(error) from error


def _opset(model: memoryview) -> int:
    for message in _messages([model], _OPSET_IMPORT):
        said = dict(_fields(message))
        version = said.get(_VERSION)
        if said.get(_DOMAIN, b"") in _STANDARD and isinstance(version, int):
            return version
    raise ValueError("it names no opset")


def _messages(outer: Iterable[memoryview], number: int) -> Iterator[memoryview]:
    """Give the messages that lie in others in the field of a number."""
    for message in outer:
        for found, value in _fields(message):
            if found == number and isinstance(value, memoryview):
                yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give number and value of each field of a message.

    Source: Protocol Buffers, "Encoding".
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in _SIZE_OF:
            size = _SIZE_OF[kind]
        else:
            raise ValueError(f"it has a field of kind {kind}")
        if place + size > len(message):
            raise ValueError(f"it ends {place + size - len(message):,} bytes too early")
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Give a number, seven bits a byte, the lowest first, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("it ends within a number")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("it has a number of more than ten bytes")


def _damaged(error: ValueError) -> StateError:
    return StateError(
        f"A graph must be a whole ONNX file, got another one: {error}. Export it again."
    )
