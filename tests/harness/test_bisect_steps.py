"""From the kept steps of a bisection to its evidence."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bnnbench.harness.bench.context import Silent
from bnnbench.harness.errors import CallError, CannotMeasure
from bnnbench.harness.tasks.bisect.bisecting import Bisecting
from bnnbench.harness.tasks.bisect.building import build
from bnnbench.harness.tasks.bisect.history import Commit, Worktree, read_history
from bnnbench.harness.tasks.bisect.outcome import BisectResult, CaseFound, Culprit, sentences
from bnnbench.harness.tasks.bisect.state import Begun, BisectPlan, BisectState, Built, Compared, Figures, Step
from bnnbench.harness.tasks.measure import Call
from bnnbench.results.errors import StoreError
from bnnbench.results.statistics.between import Between
from bnnbench.results.store.runs import Store
from tests.harness.bench import Bench
from tests.harness.histories import commit, git

CASE = "bgemm"
TEST = Between(low=0.0, high=0.02)


def a_commit(number: int) -> Commit:
    return Commit(f"{number:040x}", f"change {number}", "Ada", "2026-02-03")


def state_of(store: Path, *steps: Step) -> BisectState:
    plan = BisectPlan(
        id="20260203-040506-abcdef",
        created="2026-02-03T04:05:06.000+00:00",
        repository="/nowhere",
        good=a_commit(0),
        commits=[a_commit(number) for number in range(1, 9)],
        build="make",
        engine="mine",
        path="mine",
        metric="latency",
        files=[],
        device="local",
    )
    state = BisectState.create(store, plan)
    for step in steps:
        state.append(step)
    return state


def compared(number: int, base: int, head: int, of: int, figures: Figures, *, is_direct: bool = False) -> list[Step]:
    begun = Begun(number=number, base=base, head=head, of=of, between=TEST, case=CASE, is_direct=is_direct, created="")
    return [begun, Compared(number=number, run=f"run{number}", cases={CASE: figures})]


def built(number: int, sha: str | None, reason: str | None = None) -> Built:
    return Built(commit=number, file=f"built/{number}" if sha else None, sha256=sha, reason=reason)


def test_pairs_of_both_roles_have_the_sign_of_the_later_commit(tmp_path: Path) -> None:
    steps = [
        *compared(1, 0, 8, 8, Figures(differences=[0.05, 0.06])),
        *compared(2, 0, 8, 8, Figures(differences=[0.04])),
        *compared(3, 3, 4, 4, Figures(differences=[0.05, 0.051]), is_direct=True),
        *compared(4, 4, 3, 4, Figures(differences=[-0.049]), is_direct=True),
        *compared(5, 0, 5, 5, Figures(reason="head: it crashed", side="head")),
    ]
    state = state_of(tmp_path, built(2, None, "its build ended with status 1"), *steps)
    seen = Bisecting(Call(Store(tmp_path), Silent(), []), state).measured(CASE, 0.01)
    assert seen.pairs == {8: [0.05, 0.06, 0.04]}
    assert seen.direct == {(3, 4): [0.05, 0.051, 0.049]}
    assert seen.roles == {(3, 4, False), (3, 4, True)}
    assert seen.broken == {2, 5}


def test_commits_with_the_same_file_are_measured_once(tmp_path: Path) -> None:
    files = [built(0, "a"), built(3, "a"), built(5, "b"), built(7, "b"), built(8, "c")]
    state = state_of(tmp_path, *files, *compared(1, 0, 7, 7, Figures(differences=[0.05, 0.06])))
    seen = Bisecting(Call(Store(tmp_path), Silent(), []), state).measured(CASE, 0.01)
    assert seen.same == {1, 2, 3, 6, 7}
    assert seen.settled == {3, 5}


def test_what_was_written_is_read_again_and_damage_is_told(tmp_path: Path) -> None:
    steps = [built(0, "a"), *compared(1, 0, 8, 8, Figures(differences=[0.05]))]
    state = state_of(tmp_path, *steps)
    with pytest.raises(StoreError, match="another process"):
        BisectState.open(tmp_path, "latest")
    state.close()
    again = BisectState.open(tmp_path, "latest", trusts=True)
    assert again.steps == steps
    assert again.plan == state.plan
    assert again.pending is None
    again.close()
    path = state.folder / "steps.jsonl"
    path.write_bytes(b'{"type":"nonsense"}\n' + path.read_bytes())
    with pytest.raises(StoreError, match="line 1, is damaged"):
        BisectState.open(tmp_path, "latest", trusts=True)
    with pytest.raises(StoreError, match="there is no bisection 'other'"):
        BisectState.open(tmp_path, "other")


def test_a_kept_file_that_has_changed_is_not_measured(tmp_path: Path) -> None:
    state = state_of(tmp_path, built(1, "0" * 64))
    with pytest.raises(CannotMeasure, match="is not what was built before"):
        build(state, Worktree(tmp_path, tmp_path / "worktree"), 1)


def test_merges_count_as_one_commit_and_paths_select(bench: Bench) -> None:
    git(bench.folder, "init", "-q")
    commit(bench, "begin", {"a": "0"})
    git(bench.folder, "tag", "v1")
    git(bench.folder, "checkout", "-q", "-b", "side")
    for number in range(3):
        commit(bench, f"side {number}", {"b": str(number)})
    git(bench.folder, "checkout", "-q", "main")
    commit(bench, 'quotes "and" | bars\ttabs', {"a": "1"})
    git(bench.folder, "merge", "-q", "--no-ff", "-m", "merge side", "side")
    commit(bench, "end", {"a": "2"})
    history = read_history(bench.folder, "v1", "HEAD")
    assert [one.subject for one in history.commits] == ['quotes "and" | bars\ttabs', "merge side", "end"]
    assert history.merges == 1
    assert history.good.subject == "begin"
    assert {one.author for one in history.commits} == {"Ada"}
    assert [one.subject for one in read_history(bench.folder, "v1", "HEAD", ["b"]).commits] == ["merge side"]
    with pytest.raises(CallError, match="no commit between --good v1 and --bad HEAD changes nothing/here"):
        read_history(bench.folder, "v1", "HEAD", ["nothing/here"])
    git(bench.folder, "checkout", "-q", "-b", "other", "v1")
    commit(bench, "elsewhere", {"c": "0"})
    with pytest.raises(CallError, match="their histories have parted"):
        read_history(bench.folder, "main", "other")


def test_sentences() -> None:
    one = Culprit(commits=[a_commit(4)], probability=0.987, effect=0.051, low=0.046, high=0.056, confirmed=True)
    many = msgspec.structs.replace(one, commits=[a_commit(4), a_commit(5)], probability=0.96)
    cases = [
        CaseFound(case="x", status="found", worse=0.99, culprits=[one]),
        CaseFound(case="y", status="range", worse=0.99, culprits=[many]),
        CaseFound(case="z", status="no_regression", worse=0.02),
        CaseFound(case="w", status="undecided", worse=0.5),
    ]
    result = BisectResult(
        id="i", metric="latency", device="pi4", good=a_commit(0), bad=a_commit(8), commits=8, cases=cases
    )
    assert not result.is_found
    assert sentences(result) == [
        "commit 000000000000 (change 4, Ada, 2026-02-03) made x 5.1 % (4.6 .. 5.6) slower, probability 99 %",
        "one of 2 commits, 000000000000 .. 000000000000 (change 5, Ada, 2026-02-03), made y 5.1 % (4.6 .. 5.6) slower, "
        "probability 96 %",
        "z: no regression in latency between 000000000000 and 000000000000 (probability of a regression: 2 %)",
        "w: undecided; the probability of a regression in latency is 50 %",
    ]
