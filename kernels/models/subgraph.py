"""One operation of a model by itself, to be checked with the reference's own inputs."""

from __future__ import annotations

from .graph import Graph, Node


def subgraph(graph: Graph, node: Node) -> Graph:
    """The graph of one node: its computed inputs, each once, become the graph's; constants stay constants.

    ValueError when the node is none of the graph's.
    """
    if not any(item is node for item in graph.nodes):
        raise ValueError(f"op {node.index} ({node.op}) is not a node of this graph; take one of graph.nodes.")
    inputs = tuple(dict.fromkeys(tensor for tensor in node.inputs if tensor.data is None))
    return Graph((node,), inputs, (node.output,), graph.source)
