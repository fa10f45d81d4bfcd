"""What an ONNX file is made of, seen before anything of it is run: its metadata, operators and tensors' places.

The few fields that matter are read from the protocol buffer itself, so that neither the package onnx nor protobuf is
needed to predict.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

# message -> field number -> the message in it, as onnx.proto numbers them; all else is passed over.
_INSIDE = {
    "model": {7: "graph", 14: "entry", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
}
# Networks of ten thousand layers have fewer; a file could hold a hundred million.
_MOST_FIELDS, _DEEPEST = 500_000, 20


@dataclass
class OnnxFile:
    """What is in an ONNX file.

    Attributes:
        metadata: the texts that its author stored.
        operators: "Conv", "Add" …; those of other domains with it, as "com.microsoft:Attention".
        external: whether a tensor lies in another file.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    external: bool = False


def look_into(content: bytes) -> OnnxFile:
    """What is in an ONNX file's bytes.

    Raises:
        ValueError: it is no protocol buffer, or has more parts than any network.
    """
    found = OnnxFile()
    left = _MOST_FIELDS
    waiting = [("model", memoryview(content), 0)]
    while waiting:
        message, part, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError("its parts lie too deep in each other")
        texts: dict[int, bytes] = {}
        for number, value in _fields(part):
            left -= 1
            if left < 0:
                raise ValueError("it has more parts than any network")
            inner = _INSIDE.get(message, {}).get(number)
            if inner is not None and isinstance(value, memoryview):
                waiting.append((inner, value, depth + 1))
            elif message == "tensor" and (number == 13 or (number == 14 and value != 0)):
                found.external = True
            elif isinstance(value, memoryview) and message in ("node", "entry"):
                texts[number] = bytes(value)
        if message == "entry":
            found.metadata[texts.get(1, b"").decode()] = texts.get(2, b"").decode()
        elif message == "node":
            domain, operator = texts.get(7, b"").decode(), texts.get(4, b"").decode()
            found.operators.add(f"{domain}:{operator}" if domain not in ("", "ai.onnx") else operator)
    return found


def _fields(part: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The number and value of each field of a message: its bytes, or a whole number (0 for other fixed-size ones)."""
    at, end = 0, len(part)
    while at < end:
        tag, at = _varint(part, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(part, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = _varint(part, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("it is no ONNX file")
        if at + length > end:
            raise ValueError("it is cut off, or no ONNX file")
        yield tag >> 3, part[at : at + length] if kind == 2 else 0
        at += length


def _varint(part: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(part):
            break
        byte = part[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("it is cut off, or no ONNX file")
