"""Every line of a journal against its number and its checksum: stricter than reading, which takes what is whole."""

from __future__ import annotations

from collections.abc import Iterator

from bnnbench.results.store.seal import looks_sealed, number_of


def line_faults(data: bytes, sealed: bool) -> Iterator[str]:
    """What is wrong with the lines of a journal, each with its place. `sealed`: the run was created with checksums; in
    others, lines before the first sealed one have none. A last line that a crash cut short is no fault."""
    lines = data.split(b"\n")
    tail = lines.pop()
    last = 0
    has_seals = sealed
    for place, line in enumerate(lines, 1):
        number = number_of(line)
        if number is None:
            if has_seals or looks_sealed(line):
                yield f"line {place}: its checksum is missing or wrong"
            elif not _is_object(line):
                yield f"line {place}: it is no record"
            last += 1
            continue
        if number != last + 1:
            yield f"line {place}: it is record {number}, and {last + 1} is next; lines are lost, doubled or moved"
        last, has_seals = number, True
    if tail and number_of(tail) is None and number_of(tail[:-1]) is not None:
        yield f"line {len(lines) + 1}: its end is damaged"


def _is_object(line: bytes) -> bool:
    import msgspec

    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
