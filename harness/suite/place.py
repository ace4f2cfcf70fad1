"""A place of a suite file, as the validator names it: what the schema wants there, and what stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec.inspect import DictType, ListType, LiteralType, StructType, TupleType, Type, UnionType, type_info

from .tables import Suite

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")


@dataclass(frozen=True, slots=True)
class Place:
    """`words` are for people (`kernel 1.pad`), `header` is its name in TOML (`kernel.pad`). `type` is None where the
    schema knows nothing; `tags` are the values of a key that says which table it is; `is_named`: the table's name is
    the user's own, as in `[engine.NAME]`."""

    type: Type | None
    value: Any
    words: str = ""
    header: str = ""
    tags: tuple[str, ...] = ()
    is_named: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What a table may hold here."""
        struct = _table(self.type, self.value)
        return tuple(field.name for field in struct.fields) if struct else ()

    @property
    def choices(self) -> tuple[Any, ...]:
        """The only values that are right here, or in a list here; empty where others are."""
        kind = self.type.item_type if isinstance(self.type, ListType) else self.type
        kinds = kind.types if isinstance(kind, UnionType) else (kind,)
        literal = next((item for item in kinds if isinstance(item, LiteralType)), None)
        return tuple(literal.values) if literal else self.tags

    @property
    def rewritten(self) -> str | None:
        """How the header of a table is to be written, where its brackets or its name are wrong."""
        kind, value, header = self.type, self.value, self.header
        are_tables = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
        if isinstance(kind, ListType) and _tables(kind.item_type) and isinstance(value, dict):
            nested = next((f".{key}" for key, item in value.items() if isinstance(item, dict)), "")
            return f"write [[{header}]], not [{header}{nested}]"
        if isinstance(kind, DictType) and _tables(kind.value_type) and are_tables:
            return f"write [{header}.NAME], not [[{header}]]"
        if isinstance(kind, StructType) and are_tables:
            return f"write [{header}], not [[{header}]]"
        if isinstance(kind, StructType) and self.is_named and not isinstance(value, dict):
            outer, _, key = header.rpartition(".")
            return f"{key!r} is in [{outer}], which contains named tables: write [{outer}.NAME] above it"
        return None

    def at(self, key: str) -> Place:
        """A key of this table."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        inside = replace(self, value=value, words=f"{self.words}.{key}".strip("."), header=_dotted(self.header, key))
        struct = _table(self.type, self.value)
        found = next((field.type for field in struct.fields if field.name == key), None) if struct else None
        tags = tuple(str(table.tag) for table in _tables(self.type) if table.tag_field == key)
        return replace(inside, type=found, tags=tags, is_named=False)

    def item(self, number: int) -> Place:
        """One of a list, from 0."""
        kind = self.type
        inner = kind.item_type if isinstance(kind, ListType) else None
        if isinstance(kind, TupleType) and number < len(kind.item_types):
            inner = kind.item_types[number]
        value = self.value[number] if isinstance(self.value, list) and number < len(self.value) else None
        return replace(self, type=inner, value=value, words=f"{self.words} {number + 1}", tags=())

    def culprit(self) -> Place:
        """The table with a name that is wrong: the validator does not say which."""
        if not isinstance(self.type, DictType) or not isinstance(self.value, dict):
            return self
        inner = self.type.value_type
        wrong = next((key for key, value in self.value.items() if not _fits(inner, value)), None)
        if wrong is None:
            return self
        words, header = f"{self.words}.{wrong}", _dotted(self.header, wrong)
        return replace(self, type=inner, value=self.value[wrong], words=words, header=header, is_named=True)


def place(path: str, document: dict[str, Any]) -> Place:
    """Of the validator's path, such as `.kernel[0].stride`."""
    found = Place(type_info(Suite), document)
    for name, number, _ in _STEP.findall(path):
        found = found.at(name) if name else found.item(int(number)) if number else found.culprit()
    return found


def repeated_tables() -> list[str]:
    """The tables of a suite that there may be several of, each headed [[NAME]]."""
    top = Place(type_info(Suite), {})
    kinds = {key: top.at(key).type for key in top.keys}
    return [key for key, kind in kinds.items() if isinstance(kind, ListType) and _tables(kind.item_type)]


def _dotted(header: str, key: str) -> str:
    return f"{header}.{key}".strip(".")


def _tables(kind: Type | None) -> list[StructType]:
    """The tables that may stand there."""
    kinds: Iterator[Type] | tuple[Type | None] = iter(kind.types) if isinstance(kind, UnionType) else (kind,)
    return [kind for kind in kinds if isinstance(kind, StructType)]


def _table(kind: Type | None, value: Any) -> StructType | None:
    """The one that stands there, by its tag where there are several."""
    found = _tables(kind)
    if len(found) == 1:
        return found[0]
    tagged = value if isinstance(value, dict) else {}
    return next((item for item in found if tagged.get(str(item.tag_field)) == item.tag), None)


def _fits(kind: Type, value: Any) -> bool:
    wanted: Any = kind.cls if isinstance(kind, StructType) else str
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True
