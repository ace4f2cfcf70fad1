"""The examples for CI: a pull request runs without the right to write, and beside a copy of the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

CI = Path(__file__).parents[1] / "examples" / "ci"


def text_of(job: dict[str, Any]) -> str:
    return yaml.safe_dump(job)  # type: ignore[no-any-return]


def test_a_pull_request_of_github_writes_nothing() -> None:
    workflow = yaml.safe_load((CI / "github-workflow.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        writes = "write" in job.get("permissions", {}).values()
        runs_its_code = "checkout" in text_of(job)
        assert not (writes and runs_its_code), name
    check = text_of(workflow["jobs"]["check"])
    assert "--store store" in check
    assert "--trust" in check
    assert "baseline save" not in check
    assert workflow["jobs"]["baseline"]["if"] == "github.event_name == 'push'"
    assert workflow["jobs"]["baseline"]["runs-on"] != workflow["jobs"]["check"]["runs-on"]


def test_a_merge_request_of_gitlab_writes_nothing() -> None:
    jobs = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    check = text_of(jobs["bnnbench"])
    assert "--store store" in check
    assert "--trust" in check
    assert "baseline save" not in check
    assert jobs["bnnbench"]["tags"] != jobs["baseline"]["tags"]
