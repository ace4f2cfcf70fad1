"""`bnnbench bisect` on real git repositories whose culprit is known, with engines that replay recorded noise."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bnnbench.harness.tasks.rejudge import rejudged
from bnnbench.kernels.toolchain import build_native
from bnnbench.results.statistics.pair_noise import pair_noise
from tests.docs.blocks import blocks_of
from tests.harness.bench import Bench, one_sentence
from tests.harness.histories import commit, engine_history, git
from tests.harness.test_killed import KILLED_AFTER
from tests.harness.test_qemu import needs_qemu
from tests.harness.test_run import wait_for
from tests.kernels.engine_process import HOST

GOLDEN = Path(__file__).parents[1] / "golden"
_BLOCKS = [block for block in blocks_of(Path(__file__).parents[2] / "docs/bisect.md") if block.runner == Path(__file__)]
CALL = shlex.split(_BLOCKS[0].commands[0], comments=True)[1:]
"""`bnnbench bisect` with an engine, as docs/bisect.md has it."""


def steps(bench: Bench) -> list[dict[str, Any]]:
    """The journal of the only bisection."""
    paths = list((bench.folder / "store/bisects").glob("*/steps.jsonl"))
    if not paths:
        return []
    lines = paths[0].read_bytes()
    return [json.loads(line) for line in lines[: lines.rfind(b"\n") + 1].splitlines()]


def found(bench: Bench, *words: str, status: int = 0) -> dict[str, Any]:
    done = bench.run(*words, "--store", "store", "--json", timeout=200)
    assert done.returncode == status, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.timeout(240)
def test_killed_and_resumed_it_finds_the_commit_that_is_slower(bench: Bench) -> None:
    """Commit 11 of 16 is 5 % slower; two do not build, and one crashes. SIGKILL hits between two records of a
    comparison."""
    hashes = engine_history(bench, {11: 1.05}, frozenset({8, 12}), crashing=frozenset({7}))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER, "40", *CALL, "--store", "store"],
        cwd=bench.folder,
        env=bench.environment,
        timeout=110,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = steps(bench)
    assert before[-1]["type"] == "begun"
    with next((bench.folder / "store/bisects").glob("*/steps.jsonl")).open("ab") as file:
        file.write(b'{"type":"built","comm')  # as a crash cuts a line short
    document = found(bench, "bisect", "--resume")
    after = steps(bench)
    assert after[: len(before)] == before
    (case,) = document["cases"]
    (culprit,) = case["culprits"]
    assert case["status"] == "found"
    assert [one["sha"] for one in culprit["commits"]] == [hashes[11]]
    assert culprit["commits"][0]["subject"] == "change 11"
    assert culprit["probability"] > 0.95
    assert culprit["confirmed"]
    assert culprit["low"] <= 0.05 <= culprit["high"]
    reasons = {one["commit"]["sha"]: one["reason"] for one in document["skipped"]}
    assert {hashes[7], hashes[8]} <= set(reasons) <= {hashes[7], hashes[8], hashes[12]}
    assert "out of memory in layer 3" in reasons[hashes[7]]
    assert "mine.c:7: error: expected a semicolon" in reasons[hashes[8]]
    # Nothing was built or measured twice, and every run is one of its comparisons.
    assert max(Counter(step["commit"] for step in after if step["type"] == "built").values()) == 1
    compared = [step["run"] for step in after if step["type"] == "compared"]
    assert sorted(compared) == sorted(bench.store.run_ids()) == sorted(document["runs"])
    last = {frozenset((step["base"], step["head"])) for step in after if step["type"] == "begun" and step["is_direct"]}
    assert last == {frozenset((10, 11))}
    assert not list((bench.folder / "store/bisects").glob("*/worktree"))
    assert git(bench.folder, "worktree", "list").count("\n") == 0
    # Its runs are steps, and no verdicts that anybody is alarmed by.
    assert {one.verdict for one in bench.store.run(compared[0]).verdicts if one.metric == "latency"} == {"inconclusive"}
    for run in (bench.store.run(name) for name in compared):
        assert [one.differences for one in rejudged(run, {})] == [[]]
    again = found(bench, "bisect", "--resume")
    assert again == document
    assert steps(bench) == after


def test_an_interrupt_ends_it_and_says_how_to_go_on(bench: Bench) -> None:
    engine_history(bench, {6: 1.03})
    process = bench.start(*CALL, "--store", "store")
    wait_for(lambda: any(step["type"] == "begun" for step in steps(bench)), 100)
    second = bench.run("bisect", "--resume", "--store", "store")
    assert second.returncode == 2
    assert "is going on in another process" in one_sentence(second.stderr)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "go on with bnnbench bisect --resume --id" in " ".join(err.split())
    assert steps(bench)[-1]["type"] == "begun"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_culprits_beside_each_other(bench: Bench) -> None:
    hashes = engine_history(bench, {6: 1.03, 7: 1.04})
    done = bench.run(*CALL, "--store", "store", timeout=200)
    assert done.returncode == 0, done.stderr
    for number, effect in ((6, "3."), (7, "4.")):
        assert f"commit {hashes[number][:12]} (change {number}, Ada, 2026-02-03) made" in done.stdout
        assert f"{effect}" in done.stdout
    assert done.stdout.count("slower, probability") == 2


def test_nothing_is_slower(bench: Bench) -> None:
    engine_history(bench, {})
    document = found(bench, *CALL, status=3)
    assert [case["status"] for case in document["cases"]] == ["no_regression"]
    assert document["builds"] == 2  # what has not changed needs no search
    done = bench.run("bisect", "--resume", "--store", "store")
    assert done.returncode == 3
    assert "no regression in latency between" in done.stdout


def test_it_says_how_long_it_takes_before_it_starts(bench: Bench) -> None:
    engine_history(bench, {}, frozenset({16}))
    done = bench.run(*CALL, "--store", "store")
    assert done.returncode == 3
    assert "16 commits: about 7 builds and 12 comparisons of each case" in " ".join(done.stderr.split())
    said = one_sentence(done.stderr)
    assert "the bad commit" in said
    assert "expected a semicolon" in said


def model_history(bench: Bench) -> list[str]:
    """8 commits after `v1`; the fifth has a model that is larger and takes more instructions."""
    git(bench.folder, "init", "-q")
    models = [(GOLDEN / f"{name}.tflite").read_bytes() for name in ("tiny_odd", "tiny_larq")]
    hashes = [commit(bench, "begin", {"net/small.tflite": models[0]} if (bench.folder / "net").mkdir() is None else {})]
    git(bench.folder, "tag", "v1")
    for number in range(1, 9):
        changed = {"net/small.tflite": models[1]} if number == 5 else {"notes": str(number)}
        hashes.append(commit(bench, f"change {number}", changed))
    return hashes


def test_the_size_of_a_model_in_git_is_exact(bench: Bench) -> None:
    hashes = model_history(bench)
    words = ["bisect", "--good", "v1", "--model", "net/small.tflite", "--metric", "size"]
    document = found(bench, *words)
    (culprit,) = document["cases"][0]["culprits"]
    assert [one["sha"] for one in culprit["commits"]] == [hashes[5]]
    assert culprit["probability"] == 1
    sizes = [(GOLDEN / f"{name}.tflite").stat().st_size for name in ("tiny_odd", "tiny_larq")]
    assert culprit["effect"] == pytest.approx(sizes[1] / sizes[0] - 1)
    assert [one.differences for one in rejudged(bench.store.run("latest"), {})] == [[]]
    assert len(document["runs"]) == 1  # the other commits have one of two files
    assert not any(one.status == "ok" for one in bench.store.run("latest").invocations)  # nothing was timed
    shutil.rmtree(bench.folder / "store")
    scoped = found(bench, *words, "--path", "net")
    assert scoped["commits"] == 1
    assert scoped["cases"][0]["culprits"] == document["cases"][0]["culprits"]


@needs_qemu
def test_instructions_are_counted_under_the_emulator(bench: Bench) -> None:
    hashes = model_history(bench)
    words = ["bisect", "--good", "v1", "--model", "net/small.tflite", "--metric", "instructions"]
    document = found(bench, *words, "-d", "qemu://cortex-a72")
    (culprit,) = document["cases"][0]["culprits"]
    assert [one["sha"] for one in culprit["commits"]] == [hashes[5]]
    assert culprit["effect"] > 0.01


def test_one_from_elsewhere_runs_nothing(bench: Bench) -> None:
    engine_history(bench, {}, frozenset({16}))
    assert bench.run(*CALL, "--store", "store").returncode == 3
    shutil.rmtree(bench.state)
    done = bench.run("bisect", "--resume", "--store", "store")
    assert done.returncode == 2
    assert "was not made here by you, and to go on with it would run `./make.sh`" in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--good", "v1", "--engine", "mine"], "is not NAME@PATH"),
        (["--good", "v1", "--engine", "mine@../mine"], "inside the repository"),
        (["--good", "v1", "--engine", "mine@mine", "--model", "a.tflite"], "one of the two"),
        (["--good", "v1", "--engine", "mine@mine", "--metric", "peak_rss"], "cannot be bisected"),
        (["--good", "v1", "--engine", "mine@mine", "--metric", "size"], "give --model"),
        (["--good", "v1", "--engine", "mine@mine", "--smallest", "a lot"], "--smallest 'a lot' is not a share"),
        (["--good", "v1", "--engine", "mine@mine", "--smallest", "0%"], "nothing can show"),
        (["--good", "v2", "--engine", "mine@mine"], "'v2' is no commit"),
        (["--good=--all", "--engine", "mine@mine"], "is not the name of a commit"),
        (["--good", "HEAD", "--engine", "mine@mine"], "are the same commit"),
        (["--good", "HEAD", "--bad", "v1", "--engine", "mine@mine"], "is not an ancestor of --bad v1: it comes after"),
        (["--engine", "mine@mine"], "give --good COMMIT"),
        (["--resume"], "there is no bisection in"),
    ],
)
def test_a_wrong_call_is_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    git(bench.folder, "init", "-q")
    commit(bench, "begin", {"a": "1"})
    git(bench.folder, "tag", "v1")
    commit(bench, "end", {"a": "2"})
    done = bench.run("bisect", *words, "small.toml", "--store", "store")
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_outside_a_repository(bench: Bench) -> None:
    bench.environment["GIT_CEILING_DIRECTORIES"] = str(bench.folder.parent)
    done = bench.run("bisect", "--good", "v1", "--engine", "mine@mine", "--store", "store")
    assert done.returncode == 2
    assert "not a git repository" in one_sentence(done.stderr)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_engine_that_executes_five_per_cent_more(bench: Bench) -> None:
    """The native engine behind a wrapper that asks it for `extra_ppm` from commit 10 on; times are real. Killed after
    the first comparison, and resumed."""
    engine = build_native(HOST).path
    wrapper = Path(__file__).with_name("slowed_engine.py").read_text()
    git(bench.folder, "init", "-q")
    bench.write(
        "real.toml",
        'name = "real"\nwarmup_ms = 20\nmin_sample_ms = 4\nengines = ["mine"]\n'
        '[[kernel]]\nop = "bgemm"\nm = 64\nn = 64\nk = 512\n'
        '[engine.mine]\ncommand = ["{binary}"]\nbinary = { x86_64 = "mine.py", aarch64 = "mine.py" }\n',
    )

    def file(number: int) -> dict[str, str]:
        ppm = 50_000 if number >= 10 else 0
        text = f"#!{sys.executable} -S\nENGINE, EXTRA_PPM, COMMIT = {str(engine)!r}, {ppm}, {number}\n{wrapper}"
        return {"mine.py": text}

    (bench.folder / "mine.py").touch()
    (bench.folder / "mine.py").chmod(0o755)
    hashes = [commit(bench, "begin", file(0))]
    git(bench.folder, "tag", "v1")
    hashes += [commit(bench, f"change {number}", file(number)) for number in range(1, 17)]
    process = bench.start("bisect", "--good", "v1", "--engine", "mine@mine.py", "real.toml", "--store", "store")
    wait_for(lambda: sum(step["type"] == "begun" for step in steps(bench)) == 2, 300)
    process.kill()
    process.communicate(timeout=30)
    done = bench.run("bisect", "--resume", "--store", "store", "--json", timeout=1400)
    assert done.returncode in (0, 3), done.stderr
    differences = [list(one["differences"]) for step in steps(bench) for one in step.get("cases", {}).values()]
    (case,) = json.loads(done.stdout)["cases"]
    if case["status"] == "undecided" and (scale := pair_noise(differences).scale) > 0.1:
        pytest.skip(f"this machine is too busy for 5 %: pairs differ by {scale * 100:.0f} %")
    (culprit,) = case["culprits"]
    assert hashes[10] in [one["sha"] for one in culprit["commits"]]
    assert len(culprit["commits"]) <= 2
    assert culprit["low"] <= 0.06
    assert culprit["high"] >= 0.04


def test_a_build_is_ended_with_all_its_processes(bench: Bench) -> None:
    engine_history(bench, {})
    slow = '#!/bin/sh\nsleep 300 & echo $! > "$PIDS"\nwait\n'
    bench.environment["PIDS"] = str(bench.folder / "pids")
    commit(bench, "slow build", {"make.sh": slow})
    done = bench.run(*CALL, "--build-timeout", "1s", "--store", "store")
    assert done.returncode == 3
    assert "took longer than 1 s" in one_sentence(done.stderr)
    stat = Path(f"/proc/{(bench.folder / 'pids').read_text().strip()}/stat")
    wait_for(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", 10)
