"""The report of a self-test as one Markdown file: an issue shows it as it is, and programs take the JSON at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bnnbench.results.printable import printable

from .selftest import is_right

_FENCE = "```"


def render(document: dict[str, Any]) -> str:
    """The whole file."""
    facts = {name: fact["value"] for name, fact in document["facts"].items()}
    head = f"# bnnbench self-test: {_text(facts.get('model') or 'unknown model')}"
    verdict = "**Every kernel is right.**" if is_right(document) else "**Not every kernel is right, see below.**"
    kind = "a quick look" if document["quick"] else "the whole sweep"
    parts = [
        head,
        f"{verdict} {_text(document['created'][:16].replace('T', ' '))} UTC, {kind}.",
        _correctness(document),
    ]
    if "roofs" in document:
        parts += [_roofs(document), _a_a(document["a_a"]), _throttling(document), _counters(document)]
    else:
        parts.append("The device is emulated: its times mean nothing, so none were taken.")
    parts += [_findings(document), _facts(document), _versions(document), _redacted(document), _json(document)]
    return "\n\n".join(parts) + "\n"


def read(text: str) -> Any:
    """The document that a report holds. Raises ValueError."""
    found = re.search(rf"^{_FENCE}json\n(.*?)^{_FENCE}$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError("there is no report in this file")
    return json.loads(found[1])


def _correctness(document: dict[str, Any]) -> str:
    rows, failed = [], []
    for isa, level in document["correctness"].items():
        each = [f"{item['right']} of {item['cases']}" for item in level["ops"].values()]
        rows.append([isa, f"{level['right']} of {level['cases']}", *each])
        failed += [f"- {_text(isa)}: {_text(item['case'])}: {_text(item['why'])}" for item in level["failures"]]
    ops = list(next(iter(document["correctness"].values()), {"ops": {}})["ops"])
    return "\n\n".join(
        [
            "## Kernels, bit for bit",
            _table(["ISA level", "right", *ops], rows),
            *(["\n".join(failed)] if failed else []),
        ]
    )


def _roofs(document: dict[str, Any]) -> str:
    rows = []
    for isa, roof in document["roofs"].items():
        read_gb_s = ", ".join(f"{name} {value:.3g}" for name, value in (roof["read_gb_s"] or {}).items())
        clock = "" if roof["clock_hz"] is None else f"{roof['clock_hz'] / 1e9:.3g} GHz"
        rows.append(
            [
                isa,
                _figure(roof["popcount_gops"]),
                _figure(roof["int8_gops"]),
                _figure(roof["fma_gflops"]),
                read_gb_s,
                clock,
            ]
        )
    return (
        f"## Roofs\n\n{_table(['ISA level', 'popcount GOPS', 'int8 GOPS', 'f32 GFLOPS', 'read GB/s', 'clock'], rows)}"
    )


def _a_a(pairs: dict[str, Any]) -> str:
    latency = f"median of an execution {pairs['latency_ns'] / 1e3:.4g} µs"
    spread = f"median {pairs['median_difference']:+.2%}, sigma {pairs['sigma']:.2%}, largest {pairs['largest']:.2%}"
    return (
        f"## The engine against itself\n\n{_text(pairs['case'])}, {pairs['pairs']} pairs of fresh processes, "
        f"{latency}. Differences of the two sides, which are the same: {spread}; signed ranks, p = "
        f"{pairs['p_value']:.2g}. How often verdicts are wrong there is measured by `bnnbench devices calibrate`."
    )


def _throttling(document: dict[str, Any]) -> str:
    throttling = document["throttling"]
    rows = [
        [name, str(before), str(throttling["signs_after"].get(name, ""))]
        for name, before in throttling["signs_before"].items()
    ]
    rows += [[name, *map(str, values)] for name, values in throttling["watched"].items()]
    shown = _table(["sign", "before", "after"], rows) if rows else "Unknown."
    return f"## Signs of throttling\n\n{shown}"


def _counters(document: dict[str, Any]) -> str:
    return f"## Counters\n\n{_table(['counter', 'state'], list(map(list, document['counters'].items())))}"


def _findings(document: dict[str, Any]) -> str:
    lines = [
        f"- {_text(item['weight'])}: {_text(item['what'])}; {_text(item['mend'])}" for item in document["findings"]
    ]
    return "## What the doctor found\n\n" + ("\n".join(lines) or "Nothing.")


def _facts(document: dict[str, Any]) -> str:
    seen = [[name, str(value["value"])] for name, value in document["facts"].items() if value["value"] is not None]
    missing = [
        f"- {_text(name)}: {_text(value['source'])}"
        for name, value in document["facts"].items()
        if value["value"] is None
    ]
    table = _table(
        ["fact", "value"], [[name, value if len(value) <= 200 else value[:197] + "..."] for name, value in seen]
    )
    return f"## What the probe saw\n\n{table}\n\nNot seen, and what was tried:\n\n" + (
        "\n".join(missing) or "- nothing"
    )


def _versions(document: dict[str, Any]) -> str:
    return f"## Versions\n\n{_table(['what', 'version'], list(map(list, document['versions'].items())))}"


def _redacted(document: dict[str, Any]) -> str:
    taken = ", ".join(f"{_text(kind)} {count}" for kind, count in document["redacted"].items())
    return f"## Taken out\n\nNames of people and machines, kinds and how often: {taken or 'nothing'}."


def _json(document: dict[str, Any]) -> str:
    text = json.dumps(document, indent=1)
    return f"<details><summary>All of it, for programs</summary>\n\n{_FENCE}json\n{text}\n{_FENCE}\n\n</details>"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_text(str(cell)) if cell != '---' else cell for cell in row)} |" for row in lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _text(text: str) -> str:
    """On one line, and nothing in it is Markdown or HTML."""
    flat = " ".join(printable(text).split())
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
