"""Archives on the command line: replayed, unpacked, measured again, and nothing of them is run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.tasks.archives import known_names
from bnnbench.kernels.toolchain import build_key
from bnnbench.results.archive.pack import pack
from bnnbench.results.records import Verdicts
from bnnbench.results.store import journal
from bnnbench.results.store.runs import StoredRun
from bnnbench.results.store.seal import seal_document
from bnnbench.results.store.stored_run import read_run
from tests.harness.bench import Bench, one_sentence

FROZEN = Path(__file__).parents[1] / "docs/frozen"
COMPARISON = FROZEN / "0.2.0/20261129-144442-93948e"


@pytest.fixture
def compared(bench: Bench) -> Bench:
    """A store with a frozen comparison, from elsewhere."""
    shutil.copytree(COMPARISON, bench.folder / "store/runs" / COMPARISON.name)
    return bench


def packed(bench: Bench, *words: str) -> Path:
    done = bench.run("store", "pack", "latest", "-o", "run.bnn", "--store", "store", *words)
    assert done.returncode == 0, done.stderr
    return bench.folder / "run.bnn"


def test_from_one_store_to_another(compared: Bench) -> None:
    packed(compared)
    first = compared.run("store", "unpack", "run.bnn", "--store", "other")
    assert (first.returncode, "unpacked into" in first.stdout) == (0, True), first.stderr
    again = compared.run("store", "unpack", "run.bnn", "--store", "other")
    assert (again.returncode, "is the same as the run that is already in" in again.stdout) == (0, True), again.stderr
    shown = compared.run("runs", "show", "latest", "--store", "other")
    assert "improvement" in shown.stdout


def test_nothing_of_an_archive_is_executed(compared: Bench) -> None:
    """No engine is built, none is started: there is no cache to build one in, and no program to be found."""
    packed(compared)
    compared.environment |= {"BNNBENCH_CACHE": str(compared.folder / "cache"), "PATH": ""}
    done = compared.run("replay", "run.bnn", "-o", "again", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["run_id"], found["signer"]) == (1, COMPARISON.name, None)
    assert [one["verdict"] for one in found["verdicts"]] == ["improvement", "regression", "equivalent", "regression"]
    assert found["differences"] == []
    assert found["cases"] == 2
    assert Path(found["report"]["html"]) == Path("again/index.html")
    assert not (compared.folder / "cache").exists()
    assert not (compared.folder / "runs").exists()


def test_what_differs_is_listed_and_fails(compared: Bench) -> None:
    run = compared.store.run("latest")
    assert run.path is not None
    lines = []
    for number, entry in enumerate(run.entries, 1):
        if isinstance(entry, Verdicts):
            first = msgspec.structs.replace(entry.verdicts[0], verdict="regression")
            entry = msgspec.structs.replace(entry, verdicts=[first, *entry.verdicts[1:]])
        lines.append(journal.encode(entry, number))
    (run.path / "journal.jsonl").write_bytes(b"".join(lines))
    packed(compared)
    done = compared.run("replay", "run.bnn")
    assert done.returncode == 1
    assert "4 verdicts judged again: 1 difference" in done.stdout
    assert "verdict is regression as stored, and improvement judged again" in done.stdout
    assert (compared.folder / f"replay-{COMPARISON.name}/index.html").is_file()


def test_an_archive_that_is_refused(compared: Bench) -> None:
    path = packed(compared)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    for words in (["replay", "run.bnn"], ["store", "unpack", "run.bnn", "--store", "other"]):
        done = compared.run(*words)
        assert done.returncode == 2
        assert "run.bnn" in one_sentence(done.stderr)
    assert not (compared.folder / f"replay-{COMPARISON.name}").exists()


def test_redacted(compared: Bench) -> None:
    compared.environment |= {"LOGNAME": "zebediah", "USER": "zebediah"}
    path = packed(compared, "--redact")
    done = compared.run("replay", "run.bnn", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["redacted"] is True
    facts = read_run(COMPARISON).record.devices["local"]
    shutil.unpack_archive(path, compared.folder / "content", "zip")
    content = "".join(file.read_text() for file in (compared.folder / "content").iterdir())
    for secret in (facts["boot_id"]["value"], facts["address"]["value"], "/tmp/frozen", "my_engine", "--store"):  # noqa: S108
        assert secret not in content
    refused = compared.run("replay", "run.bnn", "--execute")
    assert "is not signed" in one_sentence(refused.stderr)


@pytest.fixture
def key(bench: Bench) -> Path:
    """A key whose owner may sign, by the user's own file."""
    key = bench.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    signers = bench.folder / "user-home/.config/bnnbench/allowed_signers"
    signers.parent.mkdir(parents=True)
    signers.write_text(f"ann@example.org {key.with_suffix('.pub').read_text()}")
    return key


def test_measured_again_beside_what_is_stored(bench: Bench, key: Path) -> None:
    bench.measure("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    packed(bench, "--sign", str(key))
    done = bench.run("replay", "run.bnn", "--execute", "--json", "--store", "store")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["signer"] == "ann@example.org"
    assert found["execution"]["outcome"] == "complete"
    assert found["execution"]["run_id"] != found["run_id"]
    (ratio,) = found["execution"]["ratios"]
    assert ratio["engine"] == "native"
    assert ratio["ratio"] > 0
    assert len(bench.store.run_ids()) == 2


def test_an_unsigned_archive_is_not_measured_again(compared: Bench, key: Path) -> None:
    packed(compared)
    done = compared.run("replay", "run.bnn", "--execute")
    assert done.returncode == 2
    assert "run.bnn is not signed" in one_sentence(done.stderr)
    wrong = compared.run("replay", "run.bnn", "--device", "local")
    assert (wrong.returncode, "add --execute" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(("side", "engine"), [("base", "numba"), ("native", "native")])
def test_an_engine_that_cannot_be_built_again_is_named(compared: Bench, key: Path, side: str, engine: str) -> None:
    """It was made of other sources, or by other compilers."""
    run = compared.store.run("latest")
    assert run.path is not None
    engines = {"base": "numba", "head": "native", "native": "native"}  # all but the one are as they would be built now
    builds = [
        msgspec.structs.replace(
            build,
            build="f" * 64 if build.engine == side else build_key(engines[build.engine], build.triple, build.isa),
        )
        for build in run.record.builds
    ]
    record = msgspec.structs.replace(run.record, builds=builds)
    (run.path / "run.json").write_bytes(seal_document(msgspec.json.format(msgspec.json.encode(record), indent=1)))
    packed(compared, "--sign", str(key))
    done = compared.run("replay", "run.bnn", "--execute")
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert f"the engine {engine} of run" in said
    assert "cannot be built again here: its build key is ffffffffffff" in said
    assert len(compared.store.run_ids()) == 1


def test_another_s_engine_is_never_run(bench: Bench, key: Path) -> None:
    """It is signed, and still only named."""
    record = read_run(FROZEN / "0.2.0/20261129-144330-c60e40").record
    suite = {**record.suite["suite"], "engines": ["native", "mine"], "kernel": record.suite["suite"]["kernel"]}
    suite["engine"] = {"mine": {**suite["engine"]["mine"], "command": ["touch", str(bench.folder / "executed")]}}
    own = bench.measure("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    assert own.path is not None
    asked = {**own.record.suite, "suite": {**own.record.suite["suite"], "engine": suite["engine"]}}
    changed = msgspec.structs.replace(own.record, suite={**asked, "engines": ["native", "mine", "tflite"]})
    (own.path / "run.json").write_bytes(seal_document(msgspec.json.format(msgspec.json.encode(changed), indent=1)))
    packed(bench, "--sign", str(key))
    done = bench.run("replay", "run.bnn", "--execute", "--json", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["execution"]["left_out"]) == {"mine", "tflite"}
    assert "engine mine is not run: the suite declared it" in done.stderr
    assert not (bench.folder / "executed").exists()
    assert {case.engine for case in bench.store.run("latest").record.cases} == {"native"}


def test_what_is_unpacked_is_from_elsewhere(ours: Bench) -> None:
    """Also for its author, on the same machine."""
    packed(ours)
    assert ours.run("baseline", "save", "here", "--store", "store").returncode == 0
    assert ours.run("store", "unpack", "run.bnn", "--store", "other").returncode == 0
    done = ours.run("baseline", "save", "there", "--store", "other")
    assert done.returncode == 2
    assert "was not made here by you" in one_sentence(done.stderr)


def test_packing_says_what_is_wrong(compared: Bench) -> None:
    for words in (["-o", "no/folder/run.bnn"], ["-o", "."], ["--sign", "nothing"]):
        done = compared.run("store", "pack", "latest", "--store", "store", *words)
        assert done.returncode == 2
        one_sentence(done.stderr)


def test_a_path_is_where_a_run_is_too(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="is in no store"):
        pack(StoredRun(read_run(COMPARISON).record, []), tmp_path / "run.bnn")


def test_names_of_the_inventory_are_known(bench: Bench) -> None:
    """How a device is reached is not in its run, and stands in messages of ssh."""
    bench.add_device(DeviceSpec(name="attic", host="rackbox", user="zebediah", identity_file=Path("/keys/of/mine")))
    record = msgspec.structs.replace(
        read_run(COMPARISON).record, devices={"attic": {}}, suite={"inventory": str(bench.folder / "devices.toml")}
    )
    known = known_names(record)
    assert {"rackbox": "host", "zebediah": "user", "/keys/of/mine": "path"}.items() <= known.items()
    assert "attic" not in known, "it becomes device-1"
    assert known_names(msgspec.structs.replace(record, suite={"inventory": "/no/such/file"})).keys() >= {
        str(Path.cwd())
    }
