"""Conditions on rows, as `bnnbench chart --where` takes them: what of them Arrow can test while it reads.

pandas decides (`DataFrame.eval`). Arrow is given those parts that it understands in the same way, so that rows which
cannot match are not read.
"""

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bnnbench.results.arrow_types import schema

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "Int64": (int, float),
    "Float64": (int, float),
    "boolean": (bool,),
}
_LARGEST = 1 << 53
"""Whole numbers up to it are exact also as reals, in which Arrow may compare."""
Value = str | int | float | bool


class _NotForArrowError(Exception):
    """A part of a condition that only pandas tests."""


@dataclass(frozen=True, slots=True)
class Conjunct:
    """A condition that every row meets, and the columns that it is about."""

    expression: Any
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on rows: `text` for pandas, `conjuncts` of it for Arrow; `names` are all columns that it may be
    about, `fixed` the texts that columns must equal; `values` are those that columns may have."""

    text: str | None
    names: frozenset[str]
    conjuncts: tuple[Conjunct, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that meet it. Raises ValueError."""
        for name, wanted in self.values.items():
            frame = frame[frame[name].isin(wanted).fillna(False).astype(bool)]
        if self.text is None:
            return frame.reset_index(drop=True)
        try:
            met: Any = frame.eval(self.text, engine="python")
            if getattr(met, "dtype", None) not in ("bool", "boolean"):
                raise ValueError("it is neither true nor false")
            met = met.fillna(False).astype(bool)
            return frame if met.all() else frame[met].reset_index(drop=True)
        except Exception as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(
                f"{self.text!r} cannot be used ({message}); write it as \"device == 'pi4' and threads == 1\""
            ) from None

    def about(self, columns: Iterable[str]) -> Any:
        """What Arrow tests of these columns alone; None: nothing."""
        known = frozenset(columns)
        found = None
        for conjunct in self.conjuncts:
            if conjunct.names <= known:
                found = conjunct.expression if found is None else found & conjunct.expression
        return found


def where(given: str | Mapping[str, Value | Collection[Value]], columns: Mapping[str, str]) -> Where:
    """A condition over columns with their pandas types: a text, or for columns the value, or values, that they may
    have. A text that Python cannot read is pandas' alone. Raises ValueError for a column that there is not."""
    return _text(given, columns) if isinstance(given, str) else _values(given, columns)


def _values(given: Mapping[str, Value | Collection[Value]], columns: Mapping[str, str]) -> Where:
    values = {
        name: [wanted] if isinstance(wanted, str | int | float) else list(wanted) for name, wanted in given.items()
    }
    unknown = [name for name in values if name not in columns]
    if unknown:
        raise ValueError(f"there is no column {unknown[0]!r}; the columns are {', '.join(columns)}")
    conjuncts = []
    for name, wanted in values.items():
        with suppress(_NotForArrowError):
            if all(_suits(value, columns[name]) for value in wanted):
                conjuncts.append(Conjunct(_among(name, wanted, columns, True), frozenset((name,))))
    fixed = {name: str(wanted[0]) for name, wanted in values.items() if len(wanted) == 1 and columns[name] == "string"}
    return Where(None, frozenset(values), tuple(conjuncts), fixed, values)


def _text(text: str, columns: Mapping[str, str]) -> Where:
    try:
        tree = ast.parse(_as_pandas_reads_it(text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return Where(text, frozenset(columns))
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) & columns.keys()
    found: list[Conjunct] = []
    fixed: dict[str, str] = {}
    for part in _conjuncts(tree):
        try:
            expression = _expression(part, columns)
        except (_NotForArrowError, RecursionError):
            continue
        about = frozenset(node.id for node in ast.walk(part) if isinstance(node, ast.Name))
        found.append(Conjunct(expression, about))
        fixed |= _fixed(part)
    return Where(text, names, tuple(found), fixed)


def _as_pandas_reads_it(text: str) -> str:
    """`&` and `|` are `and` and `or`, also in what binds them."""
    words = {"&": "and", "|": "or"}
    tokens = tokenize.generate_tokens(io.StringIO(text.strip()).readline)
    return tokenize.untokenize(
        (tokenize.NAME, words[item.string]) if item.type == tokenize.OP and item.string in words else item[:2]
        for item in tokens
    )


def _conjuncts(node: ast.expr) -> Sequence[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in _conjuncts(value)]
    return [node]


def _expression(node: ast.expr, columns: Mapping[str, str]) -> Any:
    """Of three values, as with pandas: true, false, missing. Raises _NotForArrowError."""
    match node:
        case ast.BoolOp(op=op, values=values):
            joined = operator.and_ if isinstance(op, ast.And) else operator.or_
            first, *rest = (_expression(value, columns) for value in values)
            for item in rest:
                first = joined(first, item)
            return first
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_expression(operand, columns)
        case ast.Name(id=name) if columns.get(name) == "boolean":
            return pc.field(name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="isna" | "isnull"), args=[], keywords=[]):
            return _column(name, columns).is_null()
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="notna" | "notnull"), args=[], keywords=[]):
            return _column(name, columns).is_valid()
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.List() | ast.Tuple() as items]):
            if type(op) not in (ast.In, ast.NotIn):
                raise _NotForArrowError
            return _among(
                name, [_constant(item, name, columns) for item in items.elts], columns, isinstance(op, ast.In)
            )
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[item]) if type(op) in _COMPARISONS:
            value = _constant(item, name, columns)
            if isinstance(value, str) and isinstance(op, ast.Eq | ast.NotEq):  # as pandas reads it: (not) in [value]
                return _among(name, [value], columns, isinstance(op, ast.Eq))
            return _COMPARISONS[type(op)](_column(name, columns), value)
    raise _NotForArrowError


def _among(name: str, values: Sequence[Value], columns: Mapping[str, str], are_meant: bool) -> Any:
    """Whether a column has one of these values, or has none of them; a missing one is none."""
    numbers = [value for value in values if isinstance(value, float)]
    if columns[name] == "Int64" and any(value != int(value) for value in numbers):
        raise _NotForArrowError  # Arrow would take them as whole
    if columns[name] == "Float64" and 0 in values:
        raise _NotForArrowError  # Arrow tells 0 from -0
    found = pc.field(name).isin(pa.array(values, schema({name: columns[name]}).field(0).type))
    return found if are_meant else ~found


def _column(name: str, columns: Mapping[str, str]) -> Any:
    if columns.get(name) not in _PYTHON_TYPES:
        raise _NotForArrowError
    return pc.field(name)


def _constant(node: ast.expr, name: str, columns: Mapping[str, str]) -> Any:
    """Of the column's own type: what pandas makes of others is its own affair."""
    value = node.value if isinstance(node, ast.Constant) else None
    if not _suits(value, columns.get(name, "")):
        raise _NotForArrowError
    return value


def _suits(value: object, kind: str) -> bool:
    """Whether a value is of a column's own type, and means the same to Arrow."""
    if type(value) not in _PYTHON_TYPES.get(kind, ()):
        return False
    return not isinstance(value, int | float) or abs(value) <= _LARGEST


def _fixed(node: ast.expr) -> dict[str, str]:
    match node:
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=str(value))]):
            return {name: value}
    return {}
