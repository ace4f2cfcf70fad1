"""`stride = 2` is `stride = [2, 2]`: the same suite in every record, and one sentence for what is neither."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bnnbench.harness.errors import SuiteError
from bnnbench.harness.suite.load import parse_suite, suite_of_one
from bnnbench.harness.suite.pairs import PAIR_KEYS
from bnnbench.harness.workload.of_suite import workloads

HEAD = {
    "bconv2d": 'name = "s"\n[[kernel]]\nop = "bconv2d"\ninput = [16, 16, 32]\nfilters = 8\n',
    "bmaxpool2d": 'name = "s"\n[[kernel]]\nop = "bmaxpool2d"\ninput = [16, 16, 32]\n',
}
KEYS = [(op, key) for op, keys in PAIR_KEYS.items() for key in keys]


def test_the_keys_that_take_a_pair() -> None:
    assert {op: keys for op, keys in PAIR_KEYS.items() if keys} == {
        "bconv2d": ("kernel", "stride", "dilation"),
        "bmaxpool2d": ("kernel", "stride"),
    }


@pytest.mark.parametrize(("op", "key"), KEYS)
@pytest.mark.parametrize("number", ["1", "2", "3", "0x2"])
def test_one_number_is_the_square_pair(op: str, key: str, number: str) -> None:
    """As typed and as stored, so that names, and what a run kept to be resumed, are the same."""
    scalar, pair = (
        parse_suite(f"{HEAD[op]}{key} = {text}\n", Path("s.toml")) for text in (number, f"[{number}, {number}]")
    )
    assert scalar == pair
    assert msgspec.json.encode(scalar) == msgspec.json.encode(pair)
    (one,), (two,) = workloads(scalar), workloads(pair)
    assert (one.name, one.spec) == (two.name, two.spec)
    stored = msgspec.to_builtins(scalar)["kernel"][0][key]
    assert list(stored) == [int(number, 0)] * 2


def test_names_do_not_tell_how_a_pair_was_written() -> None:
    (workload,) = workloads(parse_suite(HEAD["bconv2d"] + "kernel = 5\nstride = 2\ndilation = 2\n", Path("s.toml")))
    assert workload.name == "bconv2d 16x16x32->8 5x5 s2 d2"


def test_every_kernel_of_a_suite_and_of_python() -> None:
    second = HEAD["bmaxpool2d"].split("\n", 1)[1]
    suite = parse_suite(f"{HEAD['bconv2d']}stride = 2\n{second}kernel = 4\n{second}kernel = [4, 2]\n", Path("s.toml"))
    assert [workload.name for workload in workloads(suite)] == [
        "bconv2d 16x16x32->8 3x3 s2",
        "bmaxpool2d 16x16x32 4x4 s2",
        "bmaxpool2d 16x16x32 4x2 s2",
    ]
    one, two = (
        suite_of_one({"op": "bmaxpool2d", "input": (8, 8, 32), "kernel": kernel}, "native", 1) for kernel in (3, (3, 3))
    )
    assert one == two


@pytest.mark.parametrize(("op", "key"), KEYS)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "0",
            "-1",
            "true",
            "2.0",
            "2.5",
            '"3"',
            "[3]",
            "[3, 3, 3]",
            "[]",
            "[0, 1]",
            "[1, true]",
            '["3", 3]',
            "[[3, 3]]",
        ),
        *("{ x = 1 }", "2147483648", "99999999999999999999", "inf", "nan", "2026-01-01"),
    ],
)
def test_what_is_no_pair_is_one_sentence(op: str, key: str, value: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(f"{HEAD[op]}{key} = {value}\n", Path("s.toml"))
    wanted = "must be one whole number from 1 to 2147483647, or two in brackets, vertical first: 2, or [2, 1]."
    assert str(caught.value) == f"s.toml: kernel 1.{key} {wanted}"


def test_the_kernel_that_is_wrong_is_named() -> None:
    with pytest.raises(SuiteError, match=r"kernel 2\.stride must be"):
        parse_suite(HEAD["bconv2d"] + HEAD["bmaxpool2d"].split("\n", 1)[1] + "stride = 0\n", Path("s.toml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "s"\nkernel = 3\n', "expected a list, got a whole number in kernel"),
        ('name = "s"\nkernel = [3]\n', "expected a table, got a whole number in kernel 1"),
        ('name = "s"\n[[kernel]]\nop = 3\nstride = 2\n', "kernel 1.op"),
        ('name = "s"\n[[kernel]]\nop = ["bconv2d"]\nstride = 2\n', "kernel 1.op"),
        ('name = "s"\n[[kernel]]\nop = "bgemm"\nm = 1\nn = 1\nk = 1\nstride = 2\n', "unknown key 'stride' in kernel 1"),
        (HEAD["bconv2d"].replace("[[", "[").replace("]]", "]") + "stride = 2\n", "write [[kernel]], not [kernel]"),
    ],
)
def test_what_is_wrong_beside_a_pair_keeps_its_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, Path("s.toml"))
    assert sentence in str(caught.value)
