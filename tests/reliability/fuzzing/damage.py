"""Random damage to bytes and to JSON values, the same for the same random numbers."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

FOREIGN = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"PK\x03\x04\x14\x00", b"\x80\x02}q\x00.",
    b"RIFF\xff\xff\xff\x7fWEBPVP8X",
    b"<!doctype html><html>", b"\x00\x00\x00\x20ftypisom", b"\x1aE\xdf\xa3", b"BM", b"GIF89a", b"{", b"[[[[",
    b"\xef\xbb\xbf{}",
    b"version https://git-lfs.github.com/spec/v1\n",
)  # fmt: skip
NUMBERS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\1\0")

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 255, 65536, 2**31 - 1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e-300, 1e308,
    float("nan"), float("inf"), float("-inf"), "", "0", "a", "\0", "\ud800", "../../../etc/passwd", "/etc/passwd",
    "é" * 300,
    "x" * 5000, [], [[]], [None], [[0, 0]], [1e308, 1e308, -1e308, 1e308, 0, 0], {}, {"": None}, {"type": "os.system"},
    {"size": [1, 1], "counts": "0"}, {"size": [2**31, 2**31], "counts": [2**62]}, {"counts": [1, 2]},
)  # fmt: skip


def damage_bytes(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Damage a file's contents once.

    Returns:
        the kind of damage, and the contents.
    """
    kind = rng.choice(list(_BYTES))
    return kind, _BYTES[kind](rng, data)


def _place(rng: random.Random, data: bytes) -> int:
    """A place in the data, half of the time in its first 256 bytes, where headers are."""
    return rng.randrange(min(len(data), 256) if rng.random() < 0.5 else len(data))


def _flip(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if out else 0):
        out[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _number(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data) if data else 0
    number = rng.choice(NUMBERS)
    return data[:place] + number + data[place + len(number) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data) if data else 0
    return data[:place] + data[place + rng.choice((1, 2, 4, 16, 256)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data) if data else 0
    block = data[place : place + rng.choice((1, 4, 16, 256, 4096))]
    return data[:place] + block * rng.choice((2, 3, 50)) + data[place:]


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data) if data else 0
    noise = rng.randbytes(rng.choice((1, 4, 32, 512)))
    return data[:place] + noise + data[place + len(noise) :]


_BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "bits flipped": _flip,
    "number replaced": _number,
    "truncated": _cut,
    "block removed": _remove,
    "block repeated": _repeat,
    "noise": _overwrite,
    "empty": lambda rng, data: b"",
    "another type": lambda rng, data: rng.choice(FOREIGN) + (data if rng.random() < 0.5 else b""),
    "random bytes": lambda rng, data: rng.randbytes(rng.choice((1, 7, 100, 5000))),
    "something after it": lambda rng, data: data + rng.randbytes(rng.choice((1, 100))),
    "halves exchanged": lambda rng, data: data[len(data) // 2 :] + data[: len(data) // 2],
}


def damage_json(rng: random.Random, value: Any, times: int = 0) -> tuple[str, Any]:
    """Damage a tree of dicts and lists in one to three places; the original stays.

    Returns:
        the kind of the last damage, and the tree.
    """
    value, kind = copy.deepcopy(value), ""
    for _ in range(times or rng.choice((1, 1, 1, 2, 3))):
        kind, value = _damage_once(rng, value)
    return kind, value


def _damage_once(rng: random.Random, value: Any) -> tuple[str, Any]:
    parent, key = _random_place(rng, value)
    if parent is None:
        return "another top level", copy.deepcopy(rng.choice(VALUES))
    kind = rng.choice(("value replaced", "value replaced", "value replaced", "removed", "doubled", "moved", "nested"))
    if kind == "removed":
        del parent[key]
    elif kind == "doubled":
        if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            parent[f"{key}2"] = copy.deepcopy(parent[key])
    elif kind == "moved":
        other, place = _random_place(rng, value)
        if other is not None:
            parent[key] = copy.deepcopy(other[place])
    elif kind == "nested":
        for _ in range(rng.choice((1, 2, 30))):
            parent[key] = [parent[key]] if rng.random() < 0.5 else {"x": parent[key]}
    else:
        old, new = parent[key], copy.deepcopy(rng.choice(VALUES))
        if isinstance(old, int | float) and rng.random() < 0.4:
            new = rng.choice((-old, old + 1, old - 1, old * 1000, float(old) + 0.5))
        elif isinstance(old, str) and old and rng.random() < 0.4:
            place = rng.randrange(len(old))
            new = rng.choice((old[:place], old[:place] + chr(rng.choice((0, 40, 47, 80, 112, 233))) + old[place + 1 :]))
        parent[key] = new
    return kind, value


def _random_place(rng: random.Random, value: Any) -> tuple[Any, Any]:
    """A random (container, key); each level of the tree has its chance. (None, None): the top itself."""
    parent, key = None, None
    while isinstance(value, dict | list) and value and (parent is None or rng.random() < 0.8):
        parent, key = value, rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        value = parent[key]
    return (None, None) if rng.random() < 0.02 else (parent, key)


def dump_json(rng: random.Random, value: Any) -> tuple[str, bytes]:
    """A tree as the bytes of a JSON file, one in five with further damage.

    Returns:
        the kind of further damage, or nothing; and the contents.
    """
    data = json.dumps(value).encode()
    if rng.random() < 0.8:
        return "", data
    kind = rng.choice(("bytes", "deep", "long number", "encoding"))
    if kind == "deep":
        depth = rng.choice((200, 2000, 100_000))
        opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
        place = data.find(b":", rng.randrange(max(len(data), 1))) + 1
        return kind, data[:place] + opening * depth + b"0" + closing * depth * rng.choice((0, 1)) + data[place:]
    if kind == "long number":
        return kind, data.replace(b": 1", b": 1" + b"0" * rng.choice((30, 400, 5000)), 1)
    if kind == "encoding":
        return kind, data.decode().encode(rng.choice(("utf-16", "utf-8-sig", "utf-32"))) + rng.choice((b"", b"\xff"))
    return damage_bytes(rng, data)
