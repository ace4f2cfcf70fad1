"""Whether an output that differs is explained by signs that are too close to zero to call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Trace
from bnnbench.kernels.models.graph import Graph

from ..bench.workbench import Workbench
from ..workload.explained import Explanation, explained

_ALIGNED = 2
"""A trace's tensors may have gaps between them."""


def explain(
    bench: Workbench,
    graph: Graph,
    given: NDArray[Any],
    client: EngineClient,
    name: str,
    output: bytes | None = None,
) -> Explanation:
    """Traces the loaded model `case` and compares it with a reference that takes the engine's unsure signs.

    `given` is the input that the engine has been given, `output` what it made of it before; None: what it makes of it
    now. Raises EngineError, DeviceError.
    """
    path = f"{bench.lease.scratch}/{name}.trace"
    trace = client.trace("case", path)
    bits = traced_bits(trace, bench.lease.fetch(path, _ALIGNED * sum(node.output.bytes for node in graph.nodes)))
    return explained(graph, given, bits, _output(bench, graph, client, name) if output is None else output)


def _output(bench: Workbench, graph: Graph, client: EngineClient, name: str) -> bytes:
    path = f"{bench.lease.scratch}/{name}.traced"
    client.output("case", path)
    return bench.lease.fetch(path, sum(tensor.bytes for tensor in graph.outputs))


def traced_bits(trace: Trace, content: bytes) -> Mapping[str, NDArray[Any]]:
    """A trace's tensors of bits, int8 and uint8 by name, flat: words and steps."""
    kinds: dict[str, np.dtype[Any]] = {"u32": np.dtype("<u4"), "i8": np.dtype("|i1"), "u8": np.dtype("|u1")}
    return {
        tensor.name: np.frombuffer(
            content, kinds[tensor.dtype], tensor.bytes // kinds[tensor.dtype].itemsize, tensor.offset
        )
        for tensor in trace.tensors
        if tensor.dtype in kinds and tensor.offset + tensor.bytes <= len(content)
    }
