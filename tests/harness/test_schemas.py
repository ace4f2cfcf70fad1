"""Every `--json`: its schema, that what commands print is valid, and that no command was forgotten."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from jsonschema import Draft202012Validator

from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.tuning import Change
from bnnbench.harness.cli.documents.document import text_of
from bnnbench.harness.cli.main import app
from bnnbench.harness.cli.schemas import SCHEMAS, schema_of
from tests.harness.bench import Bench
from tests.harness.replaying import replayed
from tests.harness.test_alerts_command import LONG, RUNS, SLOWER_FROM, write_night
from tests.harness.test_bisect import model_history

SNAPSHOTS = Path(__file__).parent / "schemas"
TINY = 'name = "c"\nwarmup_ms = 1\nmin_sample_ms = 0.2\n[[kernel]]\nop = "bgemm"\nm = 16\nn = 16\nk = 256\n'
CALLS: dict[str, str] = {
    "alerts-list": "alerts list --all --store nights/runs",
    "alerts-show": "alerts show ALERT --store nights/runs",
    "baseline-list": "baseline list --store store",
    "compare": "compare RUN latest --store store",
    "devices-doctor": "devices doctor",
    "devices-list": "devices list",
    "devices-probe": "devices probe",
    "engines-build": "engines build --engine native --target x86_64-linux-musl",
    "engines-check": "engines check native",
    "engines-kernels": "engines list --kernels",
    "engines-list": "engines list",
    "estimate": "estimate small.toml --store store",
    "eval": "eval quicknet_xs --images 100 --invocations 1 --store models",
    "model-diff": "model diff quicknet_m quicknet_m_zero_padded",
    "model-info": "model info quicknet_xs",
    "model-lint": "model lint quicknet_m_zero_padded -d local --runs 2",
    "model-list": "model list",
    "peak": "peak",
    "pick": "pick --max-size 1MB --store models",
    "profile": "profile quicknet_xs --runs 3 --counters page_faults,cycles",
    "replay": "replay run.bnn -o replayed",
    "report": "report --store store -o report",
    "run": "run small.toml --filter maxpool --engine native --invocations 1 --store store",
    "runs-list": "runs list --store store",
    "runs-show": "runs show --store store",
    "site": "site --store store -o site",
    "store-index": "store index --store store",
    "store-pack": "store pack latest --store store -o other.bnn",
    "store-prune": "store prune --keep 1 --dry-run --store store",
    "store-unpack": "store unpack run.bnn --store other",
    "store-verify": "store verify --store store",
    "sustain": "sustain small.toml --filter maxpool --engine native --minutes 0.05 --store warm",
}
"""Calls that print a document with `--json`, in the folder of `user`. `ALERT` and `RUN` are ids."""
ELSEWHERE = {
    "ab",
    "bisect",
    "check",
    "devices-add",
    "devices-calibrate",
    "devices-check",
    "devices-restore",
    "lab-queue",
    "lab-status",
    "query",
    "selftest",
}


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A store with two runs and a baseline, its archive, one of nights with an alert, and one of models."""
    bench = Bench(tmp_path_factory.mktemp("user"))
    for _ in range(2):
        bench.measure("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    for words in ("baseline save main --store store", "store pack latest --store store -o run.bnn", CALLS["eval"]):
        done = bench.run(*words.split())
        assert done.returncode == 0, done.stderr
    bench.add_device(DeviceSpec("pi4", "ssh", host="pi4.lab", cores=(2, 3)))
    for number in range(RUNS):
        write_night(bench.folder / "nights", number, {(LONG, "native"): 1.041 if number >= SLOWER_FROM else 1.0})
    return bench


def strict(schema: Any) -> Any:
    """The same without unknown keys, so that a new one without a description fails."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


def check(name: str, text: str) -> Any:
    """Parses it by JSON's own rules, and compares it with its schema."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    document = json.loads(text, parse_constant=refuse)
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(document)]
    assert not errors, "\n".join(errors)
    return document


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(strict(schema_of(name)))


def test_each_document_is_printed_by_a_test() -> None:
    assert {*CALLS, *ELSEWHERE} == set(SCHEMAS)


def test_the_documentation_lists_each() -> None:
    page = (Path(__file__).parents[2] / "docs/compatibility.md").read_text()
    assert [name for name in SCHEMAS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", CALLS)
def test_what_a_command_prints_is_valid(user: Bench, name: str) -> None:
    words = CALLS[name]
    if "ALERT" in words:
        alerts = json.loads(user.run(*CALLS["alerts-list"].split(), "--json").stdout)["alerts"]
        words = words.replace("ALERT", alerts[0]["id"])
    words = words.replace("RUN", user.store.run("latest").record.run_id)
    done = user.run(*words.split(), "--json")
    assert done.returncode == 0, done.stderr
    assert check(name, done.stdout)


def test_what_is_added_and_put_back_is_valid(user: Bench) -> None:
    if shutil.which("qemu-aarch64-static") is None:
        pytest.skip("qemu-user-static is not installed")
    added = user.run("devices", "add", "emulated", "qemu://max", "--inventory", "other.toml", "--json")
    assert added.returncode == 0, added.stderr
    assert check("devices-add", added.stdout)["emulated"]["value"] is True
    restored = user.run("devices", "restore", "--json")
    assert restored.returncode == 0, restored.stderr
    assert check("devices-restore", restored.stdout) == []  # nothing was changed here
    for change in (Change("restored", "governor of cpu0", "powersave"), Change("stuck", "turbo", "1")):
        check("devices-restore", text_of([change]))


def test_what_query_prints_is_valid(user: Bench) -> None:
    done = user.run("query", "SELECT run_id, latency_ns, created FROM cases", "--format", "json", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert check("query", done.stdout)[0].keys() == {"run_id", "latency_ns", "created"}


def test_a_bisection_is_valid(bench: Bench) -> None:
    model_history(bench)
    words = ["bisect", "--good", "v1", "--model", "net/small.tflite", "--metric", "size", "--store", "store"]
    done = bench.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert check("bisect", done.stdout)["cases"][0]["culprits"]


def test_verdicts_are_valid(user: Bench) -> None:
    """Of `ab`, of `check`, and as `runs show` has them."""
    words = replayed(user)
    done = user.run(*[word if word != "store" else "pairs" for word in words], "--budget", "3s", "--json", "-")
    assert done.returncode in {0, 3}, done.stderr
    assert check("ab", done.stdout)["verdicts"]
    shown = user.run("runs", "show", "--store", "pairs", "--json")
    assert "comparison" in check("runs-show", shown.stdout)
    done = user.run("check", "--baseline", "main", "--store", "store", "--budget", "2s", "--format", "json")
    assert done.returncode in {0, 1, 3}, done.stderr
    assert check("check", done.stdout)["run_id"]


@pytest.mark.slow
def test_the_report_of_selftest_is_valid(user: Bench) -> None:
    done = user.run("selftest", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    assert check("selftest", done.stdout)["correctness"]


@pytest.mark.slow
def test_a_calibration_is_valid(user: Bench) -> None:
    suite = user.write("tiny.toml", TINY)
    words = ["devices", "calibrate", "local", "--suite", suite, "--comparisons", "1", "--each", "1", "--layouts", "0"]
    done = user.run(*words, "--slow-downs", "100%", "--store", "calibrated", "--json")
    assert done.returncode == 0, done.stderr
    assert check("devices-calibrate", done.stdout)["slow_downs"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_refuses_other_documents(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert not any(validator(name).is_valid(document) for document in ("text", 1, None, [1]))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_document_with_another_key_is_noticed(name: str) -> None:
    """Otherwise the tests above prove little: unless it is a map, or a table of anybody's question."""
    schema = schema_of(name)
    root = schema["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "properties" in root:
        errors = [error.validator for error in validator(name).iter_errors({"no such key": 1})]
        assert "additionalProperties" in errors


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_as_before(name: str) -> None:
    """A key that goes away or changes breaks somebody's program: docs/compatibility.md."""
    path, text = SNAPSHOTS / f"{name}.json", json.dumps(schema_of(name), indent=1) + "\n"
    if os.environ.get("BNNBENCH_UPDATE_SNAPSHOTS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "the schema changed (BNNBENCH_UPDATE_SNAPSHOTS=1 accepts it)"


def commands(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Each command that does something, with its words."""
    if app.default_command is not None:
        yield " ".join(words), app
    for name in app:
        if not name.startswith("-"):
            yield from commands(app[name], (*words, name))


def json_options(of: App) -> set[str]:
    """`--json`, and `--format` where one of the formats is JSON."""
    found = {
        name
        for argument in of.assemble_argument_collection()
        for name in argument.names
        if name == "--json" or (name == "--format" and "json" in str(argument.parameter.help) + str(argument.hint))
    }
    return {"--format json" if name == "--format" else name for name in found}


def test_no_json_option_is_forgotten() -> None:
    """A new command with `--json` needs a row in `harness/cli/schemas.py`, and a call above."""
    found = {(words, option) for words, command in commands(app) for option in json_options(command)}
    rows = {(row.command, "--format json" if "--format" in row.option else "--json") for row in SCHEMAS.values()}
    aliases = {("alerts", "--json"), ("devices", "--json"), ("runs", "--json"), ("engines", "--json")}
    assert found - aliases == rows


def test_the_command_lists_and_prints(user: Bench) -> None:
    assert all(f"{name} " in user.run("schema").stdout for name in SCHEMAS)
    assert json.loads(user.run("schema", "profile").stdout) == schema_of("profile")
    assert "did you mean 'profile'" in user.run("schema", "profil").stderr
