"""A C entry point for a compiled Numba function: `int32_t SYMBOL(T *array, int64_t sizes..., scalars...)`."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.np import arrayobj

_I64 = ir.IntType(64)


def add_entry_point(context: Any, library: Any, compiled: Any, symbol: str, kinds: tuple[Any, ...]) -> None:
    """Adds `symbol` to the library: it builds Numba's array structures and returns Numba's status."""
    module = library.create_ir_module(symbol)
    parameters = [parameter for kind in kinds for parameter in _c_types(context, kind)]
    entry = ir.Function(module, ir.FunctionType(ir.IntType(32), parameters), symbol)
    entry.attributes.add("nounwind")
    builder = ir.IRBuilder(entry.append_basic_block())
    given = iter(entry.args)
    values = [_value(context, builder, kind, given) for kind in kinds]
    function_type = context.call_conv.get_function_type(types.none, kinds)
    callee = ir.Function(module, function_type, compiled.fndesc.llvm_func_name)
    status, _ = context.call_conv.call_function(builder, callee, types.none, kinds, values)
    builder.ret(status.code)
    library.add_ir_module(module)
    library.get_function(compiled.fndesc.llvm_func_name).linkage = "internal"


def _c_types(context: Any, kind: Any) -> list[Any]:
    if isinstance(kind, types.Array):
        return [context.get_data_type(kind.dtype).as_pointer(), *[_I64] * kind.ndim]
    return [context.get_value_type(kind)]


def _value(context: Any, builder: Any, kind: Any, given: Any) -> Any:
    first = next(given)
    if not isinstance(kind, types.Array):
        return first
    shape = [next(given) for _ in range(kind.ndim)]
    item = _I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides: list[Any] = []
    stride = item
    for size in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, size)
    array = context.make_array(kind)(context, builder)
    arrayobj.populate_array(array, data=first, shape=shape, strides=strides, itemsize=item, meminfo=None)
    return array._getvalue()
