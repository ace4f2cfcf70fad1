"""Damaged plan files: mutations that get past the checksum, to the checks behind it."""

from __future__ import annotations

import hashlib
import random
import struct

_HEADER = 64
_EXTREMES = (0, 1, 2, 3, 31, 32, 33, 63, 64, 255, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def mutated(plan: bytes, seed: int) -> bytes:
    """Some words of header, program or data changed, cut off or added; mostly with a checksum that fits again."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, no secret
    header, body = bytearray(plan[:_HEADER]), bytearray(plan[_HEADER:])
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        _change(body, draw)
    kind = draw.random()
    if kind < 0.05:
        del body[draw.randrange(len(body)) :]
    elif kind < 0.08:
        body += draw.randbytes(draw.randrange(1, 200))
    if draw.random() < 0.04:
        _change(header, draw)
        return bytes(header + body)
    if draw.random() < 0.97:
        struct.pack_into("<Q", header, 16, len(body))
        header[24:56] = hashlib.sha256(body).digest()
    return bytes(header + body)


def _change(words: bytearray, draw: random.Random) -> None:
    if len(words) < 8:
        return
    # The program stands in front and is what matters; the data behind it is only numbers.
    reach = (
        min(len(words), 64 + 4 * (struct.unpack_from("<I", words, 32)[0] % 2**20)) if len(words) > 64 else len(words)
    )
    place = draw.randrange(max(reach, 8) // 4) * 4
    place = min(place, len(words) - 4)
    (old,) = struct.unpack_from("<I", words, place)
    new = draw.choice(
        (
            draw.choice(_EXTREMES),
            old + draw.choice((-64, -2, -1, 1, 2, 64)),
            old ^ (1 << draw.randrange(32)),
            draw.randrange(64),
            draw.getrandbits(32),
            struct.unpack_from("<I", words, draw.randrange(len(words) // 4) * 4)[0],
        )
    )
    struct.pack_into("<I", words, place, new % 2**32)
