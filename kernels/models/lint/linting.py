"""The table of rules, and a model put through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..graph import Graph
from ..model import ModelFile
from ..plan import ExecutionPlan
from . import file_rules, fusing_rules, work_rules
from .finding import Finding, Place
from .rates import NOMINAL, Rates
from .subject import Subject

_MATTERS = 0.01
"""Share of the inference below which a cost in time does not decide the order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`find` yields the places; `title` and `mend` are one sentence each, for all of them."""

    find: Callable[[Subject], Iterator[Place]]
    title: str
    mend: str


RULES: Mapping[str, Rule] = {
    "float-convolution": Rule(
        work_rules.float_convolutions,
        "Convolutions in float32 between binary ones.",
        "Give these layers an input_quantizer and a kernel_quantizer, and train again.",
    ),
    "unpacked-weights": Rule(
        work_rules.unpacked_weights,
        "Binary weights that are stored and computed as float32.",
        "Convert the Keras model with larq_compute_engine.convert_keras_model, with the quantizers of both the input "
        "and the kernel on the layer.",
    ),
    "quantize-pair": Rule(
        fusing_rules.quantize_pairs,
        "Values are converted to another type and straight back.",
        "Keep one type on both sides: remove the layer between the two, or quantize it as its neighbours are.",
    ),
    "zero-padding": Rule(
        fusing_rules.zero_padding,
        "Binary convolutions are padded with zeros, which bits do not have.",
        "Train with one-padding (pad_values=1.0 in Larq), which costs nothing and lets converters fuse what follows.",
    ),
    "unfused-op": Rule(
        fusing_rules.unfused_ops,
        "A batch normalization or activation behind a binary convolution is an op of its own.",
        "Put it right behind the convolution, before pooling and before the output branches, with one number for each "
        "channel; then convert again.",
    ),
    "partial-words": Rule(
        work_rules.partial_words,
        "Channels do not fill the 32-bit words in which they are packed.",
        "Choose a multiple of 32 channels: more channels up to the next one take hardly more time.",
    ),
    "large-stem": Rule(
        work_rules.large_stem,
        "More than 30 % of the work comes before the first binary convolution.",
        "Use QuickNet's stem: a 3x3 convolution to 8 channels with stride 2, a 3x3 depthwise one with stride 2, and a "
        "1x1 one.",
    ),
    "large-head": Rule(
        work_rules.large_head,
        "More than 30 % of the work comes after the last binary convolution.",
        "Average over the image (global pooling) before the dense layer, or make it smaller.",
    ),
    "out-of-cache": Rule(
        work_rules.out_of_cache,
        "Tensors are larger than the second cache, and their ops only wait for memory.",
        "Reduce the image earlier (stride or pooling), or use fewer channels there.",
    ),
    "float-weights": Rule(
        file_rules.float_weights,
        "Weights of float layers are a large part of the file.",
        "Quantize these layers to int8 (a quarter of the bytes), or store their weights as float16 (half).",
    ),
    "duplicate-data": Rule(
        file_rules.duplicate_data,
        "The same bytes are stored several times.",
        "Convert again with a current converter, which stores them once.",
    ),
    "unused-data": Rule(
        file_rules.unused_data,
        "Data that no op uses.",
        "Convert again from the model that is used for inference only.",
    ),
    "old-converter": Rule(
        file_rules.old_converter,
        "The file does not look like one of a current converter.",
        "Convert again with larq-compute-engine 0.16 or a current TensorFlow.",
    ),
}
"""Id -> rule: a new rule is a function and a row."""


@dataclass(frozen=True, slots=True)
class Linted:
    """Findings that cost at least 1 % of the inference first, by cost, then the others by their share of inference or
    file; `total` is the cost of an inference."""

    findings: tuple[Finding, ...]
    total: float


def lint_model(model: ModelFile, graph: Graph, plan: ExecutionPlan, rates: Rates = NOMINAL) -> Linted:
    """What the rules find."""
    subject = Subject(model, graph, plan, rates)
    found = [_finding(subject, name, places) for name, rule in RULES.items() if (places := tuple(rule.find(subject)))]
    return Linted(tuple(sorted(found, key=_order)), subject.total)


def lint_file(model: ModelFile) -> Linted:
    """What the rules find in a file that cannot be imported: those that only look at the file."""
    return lint_model(model, Graph((), (), (), str(model.path)), ExecutionPlan((), (), (), 0, 0, b""))


def _order(finding: Finding) -> tuple[float, float]:
    return -finding.cost_share if finding.cost_share >= _MATTERS else 0.0, -finding.share


def _finding(subject: Subject, name: str, places: tuple[Place, ...]) -> Finding:
    cost, size = sum(place.cost for place in places), sum(place.file_bytes for place in places)
    cost_share = cost / subject.total if subject.total else 0.0
    file_share = size / subject.model.size_bytes if subject.model.size_bytes else 0.0
    return Finding(
        id=name,
        title=RULES[name].title,
        mend=RULES[name].mend,
        places=places,
        cost=cost,
        cost_share=cost_share,
        file_bytes=size,
        file_share=file_share,
        share=max(cost_share, file_share),
    )
