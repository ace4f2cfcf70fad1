"""`check --notify`, as CI calls it: what is posted and when, and that the webhook's address, a secret, is nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bnnbench.harness.tasks.webhook import FORMAT, URL
from tests.harness.bench import Bench
from tests.harness.hook_server import SECRET, Hook
from tests.harness.test_check import replay

pytestmark = pytest.mark.timeout(110)


@pytest.fixture
def hook() -> Iterator[Hook]:
    one = Hook([200])
    one.start()
    yield one
    one.close()


def traces(bench: Bench, *outputs: str) -> list[str]:
    """Where the secret is found: in what was printed, or in any file of the user's folder."""
    found = [f"output {number}" for number, text in enumerate(outputs) if SECRET in text]
    for path in bench.folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes():
            found.append(str(path))
    return found


def test_check_posts_a_regression_and_keeps_the_secret(repository: Bench, hook: Hook) -> None:
    repository.environment |= {URL: hook.url, FORMAT: "slack"}
    head = replay(repository, factor=1.04)
    call = ("check", "--baseline", "main", "--head", head, "--store", "store")
    done = repository.run(*call, "--notify", "--debug")
    assert done.returncode == 1, done.stderr
    assert "the verdicts were posted" in done.stderr
    ((path, _, body),) = hook.got
    assert path == f"/services/{SECRET}"
    text = json.loads(body)["text"]
    assert text.startswith("*bnnbench check: regression*\n1 case: 1 regression")
    assert repository.store.run("latest").record.run_id in text
    assert traces(repository, done.stdout, done.stderr) == []
    (repository.folder / "leak").write_text(hook.url)
    assert traces(repository) == [str(repository.folder / "leak")]


def test_check_posts_what_passed_only_if_asked_and_is_not_changed_by_a_failure(repository: Bench, hook: Hook) -> None:
    repository.environment |= {URL: hook.url}
    call = ("check", "--baseline", "main", "--head", replay(repository), "--store", "store")
    done = repository.run(*call, "--notify")
    assert done.returncode == 0, done.stderr
    assert hook.got == []
    hook.statuses = [403]
    done = repository.run(*call, "--notify-always", "--debug")
    assert done.returncode == 0, done.stderr
    assert "warning: the verdicts could not be posted: HTTP 403" in done.stderr
    assert "Traceback" not in done.stderr
    assert traces(repository, done.stdout, done.stderr) == []
    document = json.loads(hook.got[0][2])
    assert (document["result"], document["exit_status"]) == ("passed", 0)
    assert document["verdicts"][0]["verdict"] == "equivalent"


def test_check_without_a_webhook_measures_nothing(repository: Bench) -> None:
    before = repository.store.run_ids()
    done = repository.run("check", "--baseline", "main", "--store", "store", "--notify")
    assert done.returncode == 2
    assert "set BNNBENCH_NOTIFY_URL in the environment" in done.stderr
    assert repository.store.run_ids() == before


def test_engines_do_not_get_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from bnnbench.devices.inventory import LOCAL
    from bnnbench.devices.transport.local import LocalTransport

    monkeypatch.setenv(URL, f"https://example.org/{SECRET}")
    monkeypatch.setenv("BNNBENCH_OTHER", "kept")
    done = LocalTransport(LOCAL).run(["env"])
    assert b"BNNBENCH_OTHER=kept" in done.stdout
    assert SECRET.encode() not in done.stdout
