"""What login shells and servers print around a command is never taken for what the command said."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.devices.errors import CommandFailed, CommandTimeout, DeviceLost, TooMuchOutput
from bnnbench.devices.probe import probe
from bnnbench.devices.transport import Transport, connect
from bnnbench.devices.transport.marks import Mark, Marked, quoted
from bnnbench.devices.transport.protocol import Environment
from bnnbench.devices.workfolder import WorkFolder

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)

BASH_AS_SH = (
    "mkdir -p ~/bin; ln -sf $(command -v bash) ~/bin/sh; export PATH=~/bin:$PATH CDPATH=/; "
    "export BASH_ENV=~/.bash_env; echo 'echo started; exit 3' > ~/.bash_env; "
)
FUNCTIONS = (
    "for each in cd ls cat grep printf head chmod mkdir id compgen command [ my-own a.b; do "
    'eval "function $each { echo FAKE; }"; export -f -- $each; done; '
)
# What a shell reads -> what people have in it: lines, titles without a newline, paths, rubbish, and noise on stderr.
BANNER = "hi:/etc/motd\\nopenssl:/root\\n::/tmp"
SHELLS = {
    "bash": (".bashrc", f"printf '{BANNER}'; printf '\\033]0;board\\007'; printf '\\377' >&2; trap 'echo bye' EXIT"),
    "bash set -x": (".bashrc", "set -x; export SHELL=/usr/bin/fish"),
    "bash as sh, functions": (".bashrc", BASH_AS_SH + FUNCTIONS),
    "bash as sh, options": (".bashrc", BASH_AS_SH + "export SHELLOPTS; set -euf -o noclobber -o pipefail; set -x"),
    "bash, busybox as sh": (
        ".bashrc",
        "mkdir -p ~/bin; ln -sf $(command -v busybox) ~/bin/sh; export PATH=~/bin:$PATH",
    ),
    "bash, mksh as sh": (".bashrc", "mkdir -p ~/bin; ln -sf $(command -v mksh) ~/bin/sh; export PATH=~/bin:$PATH"),
    "fish": (".config/fish/config.fish", f"printf '{BANNER}'; echo fish: oops >&2; set -gx SHELL /bin/sh"),
    "tcsh": (".tcshrc", "printf 'hi:/etc/motd\\nopenssl:/root'; setenv SHELL /bin/sh; /bin/ls /nowhere"),
    "csh": (".cshrc", "printf 'hi:/etc/motd\\nopenssl:/root'; setenv SHELL /bin/sh"),
}


class ForcedSsh(LoopbackSsh):
    """An OpenSSH server that runs a command of its own instead of the one that is asked for."""

    def __init__(self, folder: Path, forced: str) -> None:
        script = folder / "forced"
        script.write_text(f"#!/bin/sh\n{forced}\n")
        script.chmod(0o755)
        self._forced = script
        super().__init__(folder)

    def _openssh(self) -> list[str]:
        argv = super()._openssh()
        with Path(argv[-1]).open("a") as config:
            config.write(f"ForceCommand {self._forced}\n")
        return argv


@contextmanager
def login(folder: Path, program: str, rc: str, text: str) -> Iterator[Transport]:
    """A connection to a user with this login shell, whose rc file holds `text`."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    server = LoopbackSsh(folder, server="dropbear", login_shell=found)
    try:
        file = server.home / rc
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n/usr/bin/touch {folder}/was-read\n")
        with connect(server.spec()) as transport:
            yield transport
    finally:
        server.stop()


def soon() -> float:
    return time.monotonic() + 10


def works(transport: Transport, home: Path, folder: Path) -> None:
    """All ways to run something there, with bytes of every value."""
    assert transport.home() == str(home)
    assert (transport.environment().sha256_tool or "").rpartition("/")[2] == "sha256sum"
    done = transport.shell("echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert transport.run(["true"]).stdout == b""
    assert transport.shell("kill -9 $$").status == 137
    data = bytes(range(256)) * 4096
    assert transport.run(["cat"], input=data).stdout == data
    assert len(transport.run(["head", "-c", "100", "/dev/zero"], limit_bytes=100).stdout) == 100
    with pytest.raises(TooMuchOutput):
        transport.run(["head", "-c", "101", "/dev/zero"], limit_bytes=100)
    assert transport.push(data, f"{folder}/blob", sha256=hashlib.sha256(data).hexdigest())
    assert transport.pull(f"{folder}/blob") == data
    process = transport.spawn(["sh", "-c", "pwd; read x; echo $x; echo last >&2; exit 5"], cwd=str(folder))
    process.write_line("asked")
    assert [process.read_line(soon()) for _ in range(2)] == [str(folder), "asked"]
    with pytest.raises(EOFError):
        process.read_line(soon())
    assert process.wait(soon()) == 5
    assert process.stderr_tail() == "last\n"
    facts = probe(transport)
    assert facts.value("kernel").startswith("Linux ")


@pytest.mark.parametrize("name", SHELLS)
def test_noise_of_a_login_shell_is_no_answer(name: str, tmp_path: Path) -> None:
    with login(tmp_path / "ssh", name.split()[0].rstrip(","), *SHELLS[name]) as transport:
        works(transport, tmp_path / "ssh/home", tmp_path)
    assert (tmp_path / "ssh/was-read").exists()


@pytest.mark.parametrize("taken", ["exec < /dev/null", "exec 0<&-"])
def test_a_login_shell_that_takes_input_away_is_told(taken: str, tmp_path: Path) -> None:
    with login(tmp_path / "ssh", "bash", ".bashrc", taken) as transport:
        for use in (
            lambda: probe(transport),
            lambda: transport.push(b"data", f"{tmp_path}/file", sha256=hashlib.sha256(b"data").hexdigest()),
            lambda: WorkFolder.open(transport, transport.spec).blob(b"data"),
        ):
            with pytest.raises(CommandFailed, match="its login shell takes away the input"):
                use()


def test_what_prints_all_the_time_is_quoted(tmp_path: Path) -> None:
    spoilt = "(while sleep 0.002; do echo chatter; done) & disown"
    with login(tmp_path / "ssh", "bash", ".bashrc", spoilt) as transport:
        transport._environment = Environment(str(tmp_path), "sha256sum")  # type: ignore[attr-defined]
        with pytest.raises(CommandFailed, match=r"work folder .* cannot be looked at \(it said \".*chatter"):
            WorkFolder.open(transport, transport.spec)

        def ask() -> None:
            transport._environment = None  # type: ignore[attr-defined]
            transport.home()

        with pytest.raises(CommandFailed, match=r"did not report its home folder: it said \".*chatter"):
            [ask() for _ in range(50)]


@pytest.mark.parametrize("home", [".", "home/me", "~"])
def test_a_home_that_is_no_absolute_path_is_quoted(home: str, tmp_path: Path) -> None:
    text = f"export HOME='{home}'"
    with login(tmp_path / "ssh", "bash", ".bashrc", text) as transport, pytest.raises(CommandFailed) as caught:
        transport.home()
    assert f"has no home folder: its HOME is {home!r}" in str(caught.value)


@pytest.mark.parametrize(
    "forced",
    [
        'printf "Welcome to:/opt"; sh -c "$SSH_ORIGINAL_COMMAND"; s=$?; printf bye; echo bye >&2; exit $s',
        'sh -c "$SSH_ORIGINAL_COMMAND"; echo logged; true',  # another status than the command's
        'fish -c "$SSH_ORIGINAL_COMMAND"',
    ],
)
def test_a_forced_command_around_ours_changes_nothing(forced: str, tmp_path: Path) -> None:
    server = ForcedSsh(tmp_path, forced)
    try:
        with connect(server.spec()) as transport:
            works(transport, server.home, tmp_path)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("forced", "said"),
    [
        ("echo 'This account is currently not available.'; exit 1", "This account is currently not available."),
        ("printf '\\033[2J\\033]0;x\\0071) status\\n2) reboot\\nChoose: '", "1) status 2) reboot Choose:"),
        ("echo 'only backups run here' >&2; exit 3", "only backups run here"),
        ("rbash -c \"$SSH_ORIGINAL_COMMAND\"", "restricted"),
        ("exit 0", "it said nothing"),
        ("head -c 200000 /dev/zero | tr '\\0' x", "xxx..."),
    ],
)  # fmt: skip
def test_a_server_that_runs_something_else_is_quoted(forced: str, said: str, tmp_path: Path) -> None:
    server = ForcedSsh(tmp_path, forced)
    try:
        with connect(server.spec()) as transport:
            for use in (
                transport.home,
                lambda: transport.run(["true"]),
                lambda: transport.spawn(["cat"], cwd="/"),
                lambda: probe(transport),
            ):
                with pytest.raises(CommandFailed) as caught:
                    use()
                sentence = str(caught.value)
                assert said in sentence
                assert "\x1b" not in sentence
                assert len(sentence) < 500
    finally:
        server.stop()


@pytest.mark.parametrize("forced", [
    'sh -c "$SSH_ORIGINAL_COMMAND" | head -c 60000',
    'sh -c "$SSH_ORIGINAL_COMMAND" 2>&1 | head -c 60000',
    'sh -c "$SSH_ORIGINAL_COMMAND" 2>&1 | head -c 60000; exit 3',
])  # fmt: skip
def test_output_that_is_cut_off_is_an_error_whatever_the_server_says(forced: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789abcde\n" * 12_500)
    server = ForcedSsh(tmp_path, forced)
    try:
        with connect(server.spec()) as transport:
            assert transport.run(["echo", "short"]).stdout == b"short\n"
            assert transport.shell("kill -9 $$").status == 137
            with pytest.raises(CommandFailed, match="output of a command was cut off"):
                transport.run(["cat", str(file)])
            with pytest.raises(CommandFailed, match="cut off"):
                transport.pull(str(file))
            read = transport.spawn(["cat", str(file)], cwd="/")
            with pytest.raises(CommandFailed, match="cut off"):
                [read.read_line(soon()) for _ in range(12_501)]
            read.kill()
            ended = transport.spawn(["sh", "-c", "echo one; exit 5"], cwd="/")
            assert ended.wait(soon()) == 5
            assert ended.read_line(soon()) == "one"
            ended.kill()
            if "2>&1" in forced:
                unread = transport.spawn(["cat", str(file)], cwd="/")
                with pytest.raises(CommandFailed, match="cut off"):
                    unread.wait(soon())
                unread.kill()
    finally:
        server.stop()


def test_a_login_shell_that_copies_all_output_gives_all_of_it_or_an_error(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    file = tmp_path / "file"
    file.write_bytes(data)
    with login(tmp_path / "ssh", "bash", ".bashrc", f"exec > >(sleep 0.05; tee -a '{tmp_path}/log') 2>&1") as transport:
        for use in (lambda: transport.run(["cat", str(file)]).stdout, lambda: transport.pull(str(file))):
            for _ in range(5):
                try:
                    assert use() == data
                except CommandFailed as error:
                    assert "cut off" in str(error) or "did not run a command" in str(error)  # noqa: PT017


def test_a_command_whose_shell_is_killed_has_no_status(tmp_path: Path) -> None:
    server = LoopbackSsh(tmp_path)
    try:
        with connect(server.spec()) as transport:
            with pytest.raises(DeviceLost, match="without a status"):
                transport.shell("kill -9 $PPID")
            assert transport.run(["echo", "well"]).stdout == b"well\n"
    finally:
        server.stop()


def test_a_login_shell_that_waits_for_input_is_told_and_gets_none_of_ours(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    text = f"printf 'Your name? '; head -n 1 > '{taken}'"
    with login(tmp_path / "ssh", "bash", ".bashrc", text) as transport:
        with pytest.raises(CommandTimeout, match=r"has not begun a command in time: it said \"Your name\?\""):
            transport.run(["cat"], input=b"the bytes of a file\n", timeout_s=1)
        assert transport.run(["echo", "well"]).stdout == b"well\n"
    assert taken.read_bytes() == b""


def test_an_account_without_a_shell_is_quoted(tmp_path: Path) -> None:
    nologin = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if os.access(path, os.X_OK)), None)
    if nologin is None:
        pytest.skip("nologin is not installed")
    with login(tmp_path, nologin, ".x", "") as transport, pytest.raises(CommandFailed, match="not available"):
        transport.run(["true"])


class Sunk:
    def __init__(self) -> None:
        self.data = b""

    def feed(self, data: bytes) -> None:
        self.data += data


@given(st.binary(), st.binary(), st.binary(), st.integers(0, 255), st.integers(1, 60), st.integers(0, 40))
def test_any_bytes_pass_between_the_marks_however_they_are_cut(
    before: bytes, payload: bytes, after: bytes, status: int, step: int, part: int
) -> None:
    word = Mark().word(1)
    payload += word[:part] + b"-"[: part // 20]  # what looks like the beginning of the end
    stream = before + word + b"+" + payload + word + b"-%d." % status + after
    sunk = Sunk()
    marked = Marked(word, sunk)
    for begin in range(0, len(stream), step):
        marked.feed(stream[begin : begin + step])
    assert (sunk.data, marked.status) == (payload, status)
    assert marked.said == before
    cut = Sunk()
    marked = Marked(word, cut)
    marked.feed(word + b"+" + payload)
    marked.flush()
    assert (cut.data, marked.status) == (payload, None)


def test_a_line_is_handed_on_at_once() -> None:
    word = Mark().word(1)
    sunk = Sunk()
    marked = Marked(word, sunk)
    marked.feed(word + b"+answer\n")
    assert sunk.data == b"answer\n"


def test_no_mark_stands_in_its_own_command_line() -> None:
    mark = Mark()
    for stream in (1, 2):
        assert mark.word(stream).decode() not in mark.begin + mark.end


def test_what_was_said_is_short_and_harmless() -> None:
    assert quoted(b"\x1b[31mred\x1b[0m\r\n\x00\xc2\x9b1", b"") == 'it said "red ??1"'
    assert len(quoted(b"x " * 10_000)) < 220
    assert quoted(b" \n") == "it said nothing"
