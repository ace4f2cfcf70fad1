"""Conditions on rows, as `bnnbench chart --where` takes them: what of them Arrow can test while it reads.

pandas decides (`DataFrame.query`). Arrow is given those parts that it understands in the same way, so that rows which
cannot match are not read.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow.compute as pc

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
    about, `fixed` the texts that columns must equal."""

    text: str
    names: frozenset[str]
    conjuncts: tuple[Conjunct, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that meet it. Raises ValueError."""
        try:
            return frame.query(self.text, engine="python").reset_index(drop=True)
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


def where(text: str, columns: Mapping[str, str]) -> Where:
    """Reads a condition over columns with their pandas types. A text that Python cannot read is pandas' alone."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
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


def _conjuncts(node: ast.expr) -> Sequence[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in _conjuncts(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        return [*_conjuncts(node.left), *_conjuncts(node.right)]
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
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _expression(left, columns) | _expression(right, columns)
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return _expression(left, columns) & _expression(right, columns)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_expression(operand, columns)
        case ast.Name(id=name) if columns.get(name) == "boolean":
            return pc.field(name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="isna" | "isnull"), args=[], keywords=[]):
            return _column(name, columns).is_null()
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="notna" | "notnull"), args=[], keywords=[]):
            return _column(name, columns).is_valid()
        case ast.Compare(left=ast.Name(id=name), ops=[ast.In()], comparators=[ast.List() | ast.Tuple() as items]):
            return _column(name, columns).isin([_constant(item, name, columns) for item in items.elts])
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[item]) if type(op) in _COMPARISONS:
            return _COMPARISONS[type(op)](_column(name, columns), _constant(item, name, columns))
    raise _NotForArrowError


def _column(name: str, columns: Mapping[str, str]) -> Any:
    if columns.get(name) not in _PYTHON_TYPES:
        raise _NotForArrowError
    return pc.field(name)


def _constant(node: ast.expr, name: str, columns: Mapping[str, str]) -> Any:
    """Of the column's own type: what pandas makes of others is its own affair."""
    value = node.value if isinstance(node, ast.Constant) else None
    if type(value) not in _PYTHON_TYPES[columns[name]]:
        raise _NotForArrowError
    if isinstance(value, int | float) and abs(value) > _LARGEST:
        raise _NotForArrowError
    return value


def _fixed(node: ast.expr) -> dict[str, str]:
    match node:
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=str(value))]):
            return {name: value}
    return {}
