"""The documents that commands print with `--json`: one row for each, by the name that `bnnbench schema` takes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """A document: `command` prints it with `option`; its type is `NAME` of `module`, imported on use."""

    command: str
    type: str
    option: str = "--json"


_IN = "bnnbench.harness.cli.documents"

SCHEMAS: dict[str, Row] = {
    "ab": Row("ab", "bnnbench.results.verdict.formats.document:VerdictDocument", "--json FILE"),
    "alerts-list": Row("alerts list", f"{_IN}.store:AlertList"),
    "alerts-show": Row("alerts show", f"{_IN}.store:ShownAlert"),
    "baseline-list": Row("baseline list", f"{_IN}.store:Baselines"),
    "bisect": Row("bisect", "bnnbench.harness.tasks.bisect.outcome:BisectResult"),
    "check": Row("check", "bnnbench.results.verdict.formats.document:VerdictDocument", "--format json"),
    "compare": Row("compare", f"{_IN}.runs:ComparedRuns"),
    "devices-add": Row("devices add", f"{_IN}.devices:Facts"),
    "devices-calibrate": Row("devices calibrate", f"{_IN}.devices:Calibration"),
    "devices-check": Row("devices check", f"{_IN}.health:CheckedDevices"),
    "devices-doctor": Row("devices doctor", f"{_IN}.devices:Findings"),
    "devices-list": Row("devices list", f"{_IN}.devices:Inventory"),
    "devices-probe": Row("devices probe", f"{_IN}.devices:Facts"),
    "devices-restore": Row("devices restore", f"{_IN}.devices:Changes"),
    "engines-build": Row("engines build", f"{_IN}.engines:BuiltEngines"),
    "engines-check": Row("engines check", f"{_IN}.engines:Points"),
    "engines-kernels": Row("engines list", f"{_IN}.engines:KernelList", "--kernels --json"),
    "engines-list": Row("engines list", f"{_IN}.engines:EngineList"),
    "estimate": Row("estimate", f"{_IN}.estimate:EstimateDocument"),
    "eval": Row("eval", f"{_IN}.runs:EvaluationDocument"),
    "lab-queue": Row("lab queue", f"{_IN}.lab:LabQueue"),
    "lab-status": Row("lab status", f"{_IN}.lab:LabStatus"),
    "model-diff": Row("model diff", f"{_IN}.diff:DiffDocument"),
    "model-info": Row("model info", f"{_IN}.engines:ModelInfo"),
    "model-lint": Row("model lint", f"{_IN}.lint:LintDocument"),
    "model-list": Row("model list", f"{_IN}.engines:ShippedModels"),
    "peak": Row("peak", f"{_IN}.devices:Roofs"),
    "pick": Row("pick", f"{_IN}.store:PickDocument"),
    "profile": Row("profile", f"{_IN}.engines:ProfileDocument"),
    "query": Row("query", f"{_IN}.store:QueryRows", "--format json"),
    "replay": Row("replay", f"{_IN}.runs:ReplayDocument"),
    "report": Row("report", f"{_IN}.store:ReportFiles"),
    "run": Row("run", f"{_IN}.runs:RunDocument"),
    "runs-list": Row("runs list", f"{_IN}.store:RunLines"),
    "runs-show": Row("runs show", f"{_IN}.runs:ShownRun"),
    "selftest": Row("selftest", f"{_IN}.devices:SelftestReport"),
    "site": Row("site", f"{_IN}.store:SiteDocument"),
    "store-index": Row("store index", f"{_IN}.store:IndexDocument"),
    "store-pack": Row("store pack", f"{_IN}.store:PackDocument"),
    "store-prune": Row("store prune", f"{_IN}.store:PruneDocument"),
    "store-unpack": Row("store unpack", f"{_IN}.store:UnpackDocument"),
    "store-verify": Row("store verify", f"{_IN}.store:VerifyDocument"),
    "sustain": Row("sustain", "bnnbench.harness.tasks.sustained:Document"),
}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a document of `SCHEMAS`. Unknown keys are allowed: later versions may add some."""
    from importlib import import_module
    from pathlib import Path

    import msgspec

    def path(of: type) -> dict[str, Any]:
        if of is not Path:
            raise NotImplementedError
        return {"type": "string"}

    row = SCHEMAS[name]
    module, _, attribute = row.type.partition(":")
    made = msgspec.json.schema(getattr(import_module(module), attribute), schema_hook=path)
    root = made["$defs"][made["$ref"].rpartition("/")[2]] if "$ref" in made else made
    if "schema" in root.get("properties", {}) and "schema" not in root["required"]:  # it has a value of its own
        root["required"] = ["schema", *root["required"]]
    return {"$schema": DIALECT, "title": f"bnnbench {row.command} {row.option}", **made}
