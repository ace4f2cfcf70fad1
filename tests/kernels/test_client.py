"""The protocol's client against engines that break it: always EngineError, never anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError


class Script:
    """A channel that answers what it was told to."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.closed = False

    def write_line(self, line: str) -> None:
        self.sent.append(line)

    def read_line(self, deadline: float) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (TimeoutError(), "did not answer hello within"),
        (EOFError(), "ended before it answered hello"),
        ("hello yourself", "not a valid reply"),
        ("[]", "not a valid reply"),
        ('{"ok": true}', "not a valid reply"),
        ('{"ok": true, "protocol": "one"}', "not a valid reply"),
        ('{"ok": true, "protocol": 2}', "speaks protocol 2"),
        ('{"ok": false}', "does not say why"),
        ('{"ok": false, "error": "no licence"}', "refused hello: no licence"),
    ],
)
def test_bad_hello(answer: str | Exception, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        EngineClient(Script(answer), "mine").hello()


@given(st.text())
def test_any_text_is_a_reply_or_an_engine_error(text: str) -> None:
    try:
        EngineClient(Script(text), "mine").hello()
    except EngineError as error:
        assert "mine" in str(error)  # noqa: PT017 - whether it is raised depends on the text


@pytest.mark.parametrize("samples", ["[]", "[1.0]", "[0, 1]", "[-1, 1]", "[1e300, 1]", "null", '["a", "b"]'])
def test_samples_that_cannot_be(samples: str) -> None:
    script = Script(f'{{"ok": true, "samples_ns": {samples}}}')
    with pytest.raises(EngineError):
        EngineClient(script, "mine").run("a", samples=2, iterations=1, limit_ns=10**9)


def test_values_are_percent_encoded() -> None:
    script = Script('{"ok": true}')
    EngineClient(script, "mine").load("a", {"data": "a b=c%d\ne"})
    assert script.sent == ["load id=a data=a%20b%3Dc%25d%0Ae"]


def test_quit_closes_even_when_the_engine_is_gone() -> None:
    class Gone(Script):
        def write_line(self, line: str) -> None:
            raise BrokenPipeError

    script = Gone()
    EngineClient(script, "mine").quit()
    assert script.closed
