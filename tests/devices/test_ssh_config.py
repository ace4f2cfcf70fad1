"""What ~/.ssh/config means, with `ssh -G` as the judge: of what is asked of it, and of our own reading."""

from __future__ import annotations

import os
import random
import re
import shutil
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import ssh_settings
from bnnbench.devices.transport.endpoint import Algorithms, Endpoint, endpoint, hop, user_config
from bnnbench.devices.transport.ssh import SshTransport
from bnnbench.devices.transport.ssh_config_file import ConfigFile
from bnnbench.devices.transport.ssh_settings import OpenSsh, SshConfig, openssh
from bnnbench.devices.transport.ssh_tokens import home

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)


def written(folder: Path, *lines: str | bytes) -> Path:
    """A config file of these lines."""
    path = folder / "config"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return path


def installed(path: Path) -> OpenSsh:
    """The OpenSSH that is here, reading `path`."""
    found = openssh(path)
    if found is None:
        pytest.skip("ssh is not installed")
    return found


def told(path: Path, host: str, *words: str) -> dict[str, list[str]]:
    """What `ssh -G` itself prints."""
    argv = ["ssh", "-F", str(path), *words, "-G", "--", host]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True)
    found: dict[str, list[str]] = {}
    for line in os.fsdecode(done.stdout).split("\n"):
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def expanded_by_ssh(path: Path, host: str, value: str) -> str:
    """A file name with its tokens, as ssh replaces them: it prints a known_hosts file's name so."""
    return told(path, host, "-o", f'UserKnownHostsFile="{value}"')["userknownhostsfile"][0]


def of(host: str, **keys: object) -> DeviceSpec:
    return DeviceSpec("x", "ssh", host=host, **keys)  # type: ignore[arg-type]


def endpoint_or_refusal(spec: DeviceSpec, config: SshConfig) -> Endpoint | str:
    """Where it is, or the error's text."""
    try:
        return endpoint(spec, config)
    except InventoryError as error:
        return str(error)


UNDERSTOOD = {
    "another host's block": ("Match Host nas", "  HostName nas.lab", "Host board", "  HostName board.lab"),
    "a comment after a pattern": ("Host board # mine", "  HostName board.lab"),
    "comments after values": ("Host board", "  Port 22 # c", "  HostName x.lab # c", "  User pi # c"),
    "times": ("Host board", "  ConnectTimeout 1m20s"),
    "no time": ("Host board", "  ConnectTimeout none"),
    "match with =": ("Match host=board", "  HostName board.lab", "Match host=nas", "  Port 99"),
    "match by HostName": ("Host board", "  HostName BOARD.lab", "Match host *.lab", "  Port 99"),
    "match in upper case": ("Match host BOARD", "  Port 99", "Match originalhost Board", "  User x"),
    "match originalhost": ("Host board", "  HostName 192.0.2.1", "Match originalhost board", "  Port 99"),
    "match user": ("Match user pi", "  Port 99", "Match user root,!me", "  Port 98"),
    "match user given before": ("Host board", "  User pi", "Match user pi host board", "  Port 99"),
    "match localuser": ("Match localuser nobody", "  Port 99", "Match !localuser nobody", "  Port 98"),
    "match all": ("Host nas", "  Port 1", "Match all", "  Port 99"),
    "match canonical": ("Match canonical host *", "  Port 99"),
    "lists and negation": ("Match host n*,!board", "  Port 1", "Match host b*,!nas", "  Port 99"),
    "negated patterns": ("Host * !board", "  Port 1", "Host b?ard !nas", "  Port 99"),
    "exec that cannot matter": ("Match host nas exec false", "  Port 1", "Host board", "  Port 99"),
    "first value wins": ("Host board", "  Port 1", "  Port 2", "Host *", "  User a", "  User b"),
    "equals signs": ("Host=board", "Port=99", "User = pi", "HostName\t=\tx.lab"),
    "quotes": ('Host "board"', '  HostName "x.lab"', '  IdentityFile "/a b/c"', "  IdentityFile '/d e'"),
    "an empty line and tabs": ("", "\t", "Host\tboard", "\tPort\t99", "   # c"),
    "windows line ends": ("Host board\r", "  Port 99\r"),
    "a Latin-1 comment and name": (b"# caf\xe9", "Host board", b"  IdentityFile /caf\xe9/key"),
    "tokens in HostName": ("Host board", "  HostName %h.lab.%%"),
    "tokens in files": ("Host board", "  User pi", "  IdentityFile ~/k-%r-%h-%n-%p-%u-%i-%L-%l-%C-%k", "  HostName x"),
    "variables in files": ("Host board", "  IdentityFile ${HOME}/k", "  UserKnownHostsFile ${HOME}/kh ~/%k %d/x"),
    "the key's own name": ("Host board", "  HostKeyAlias ALIAS", "  UserKnownHostsFile /%k"),
    "known_hosts files": ("Host board", "  UserKnownHostsFile /a /b", "  GlobalKnownHostsFile ~/c /d%%"),
    "known_hosts files with spaces": ("Host board", '  UserKnownHostsFile "/nowhere/a b" "/c d"'),
    "a quoted known_hosts file": ("Host board", '  UserKnownHostsFile "/a"', "Host *", "  UserKnownHostsFile /b"),
    "no known_hosts file": ("Host board", "  UserKnownHostsFile none", "  GlobalKnownHostsFile none"),
    "agents": ("Host board", "  IdentityAgent ~/%u/agent"),
    "no agent": ("Host board", "  IdentityAgent none"),
    "an agent by a variable": ("Host board", "  IdentityAgent $HOME"),
    "the usual agent": ("Host board", "  IdentityAgent SSH_AUTH_SOCK"),
    "certificates": ("Host board", "  CertificateFile ~/c-%h.pub", "  CertificateFile /d"),
    "a host called none": ("Host board", "  HostName none", "  User none", "  HostKeyAlias none"),
    "a host called NONE": ("Host board", "  HostName NONE", "  BindAddress none"),
    "none in other cases": ("Host board", "  IdentityFile NONE", "  ProxyCommand None", "  UserKnownHostsFile None"),
    "no jump in another case": ("Host board", "  ProxyJump None", "  ProxyCommand nc %h %p"),
    "an agent called None": ("Host board", "  IdentityAgent None"),
    "a hundred keys": ("Host board", *(f"  IdentityFile /{number}" for number in range(100))),
    "no keys": ("Host board", "  IdentityFile none"),
    "keys twice": ("Host board", "  IdentityFile /a", "  IdentityFile /b", "  IdentityFile /a"),
    "IdentitiesOnly true": ("Host board", "  IdentitiesOnly true"),
    "a proxy's whole line": ("Host board", '  ProxyCommand  nc -X "a b"  %h %p %% # no comment'),
    "no proxy": ("Host board", "  ProxyCommand none", "Host *", "  ProxyCommand nc %h %p"),
    "jump before proxy": ("Host board", "  ProxyJump me@hop:99,b", "  ProxyCommand nc %h %p"),
    "proxy before jump": ("Host board", "  ProxyCommand nc %h %p", "  ProxyJump hop"),
    "no jump": ("Host board", "  ProxyJump none", "  ProxyCommand nc %h %p"),
    "a jump by address": ("Host board", "  ProxyJump [2001:db8::1]:99"),
    "family and address": ("Host board", "  AddressFamily INET6", "  BindAddress ::1"),
    "what harms nothing": (
        "Host board",
        "  ForwardAgent yes",
        "  LocalForward 1 x:2",
        "  SendEnv A B",
        "  LogLevel QUIET",
    ),
    "what is not for this host": ("Host nas", "  KnownHostsCommand /bin/x", "  CanonicalizeHostname yes", "Host *"),
    "CanonicalizeHostname no": ("CanonicalizeHostname no", "Host board", "  Port 99"),
}
BY_SSH_ALONE = {
    "a hash within a word": ("Match host board#c", "  Port 1", "Host board#c", "  Port 2"),
    "Match with = apart": ("Match host = board", "  HostName x.lab"),
    "Match with = behind": ("Match user= pi", "  Port 98"),
    "Match with = before": ("Match host =board", "  HostName x.lab"),
    "a quote within Match": ("Match host bo'a'rd", "  Port 99", "Match all", "  User z"),
    "a backslash in Match": ("Match host boar\\d", "  Port 99"),
    "several = in a word": ("Match host=*=user=root", "  Port 99"),
    "exec": ("Match exec true", "  Port 99"),
    "exec of nothing": ("Match exec false", "  Port 99", "Match all", "  User z"),
    "final": ("Host board", "  HostName x.lab", "Match final host *.lab", "  Port 99"),
    "canonical names": (
        "CanonicalizeHostname yes",
        "CanonicalDomains localdomain.invalid",
        "CanonicalizeFallbackLocal yes",
    ),
    "algorithms": ("Host board", "  HostKeyAlgorithms ^rsa-sha2-512", "  Ciphers aes256-ctr"),
    "an unknown keyword": ("IgnoreUnknown Colour", "Host board", "  Colour blue", "  Port 99"),
    "quotes in Match": ('Match host "board"', "  Port 99"),
    "a quoted name with spaces": ("Host board", '  UserKnownHostsFile "/nowhere/a b"'),
}


def same(one: Endpoint) -> Endpoint:
    """Without what only `ssh -G` knows."""
    return replace(one, algorithms=Algorithms(), config=None)


@pytest.mark.parametrize("asked", [{}, {"user": "pi", "port": 2222}], ids=["", "user and port"])
@pytest.mark.parametrize("name", [*UNDERSTOOD, *BY_SSH_ALONE])
def test_a_config_means_what_ssh_says(name: str, asked: dict[str, object], tmp_path: Path) -> None:
    path = written(tmp_path, *(UNDERSTOOD | BY_SSH_ALONE)[name])
    spec = of("board", **asked)
    by_ssh = endpoint(spec, installed(path))
    words = [f"-l{asked['user']}", f"-p{asked['port']}"] if asked else []
    found = told(path, "board", *words)
    assert [by_ssh.host] == found["hostname"]
    assert [by_ssh.user] == found["user"]
    assert [str(by_ssh.port)] == found["port"]
    files = [one for one in found.get("identityfile", []) if one.lower() != "none" and not asked]
    assert asked or len(by_ssh.identity_files) == len(files)
    for ours, theirs in zip(by_ssh.identity_files, files, strict=False):
        assert "%" not in theirs or str(ours) == expanded_by_ssh(path, "board", theirs)
    jump = found.get("proxyjump", [None])[0]
    assert (by_ssh.jump, by_ssh.proxy_command is None) == (jump, jump is not None or "proxycommand" not in found)
    if name in UNDERSTOOD:
        assert same(endpoint(spec, ConfigFile(path))) == same(by_ssh)
    else:
        ours = endpoint_or_refusal(spec, ConfigFile(path))
        assert f"{path} line " in ours if isinstance(ours, str) else same(ours) == same(by_ssh)


@pytest.mark.parametrize(
    "lines",
    [
        *(["Host"], ['Host ""'], ['Host board ""'], ["Include"], ["IdentityAgent"], ['IdentityAgent ""']),
        *(["Match"], ["Match host"], ["UserKnownHostsFile none /x"], ["GlobalKnownHostsFile /x NONE"]),
        [f"IdentityFile /{number}" for number in range(101)],
        [*(f"IdentityFile /{number}" for number in range(100)), "IdentityFile /7"],
        [f"CertificateFile /{number}" for number in range(101)],
        ["UserKnownHostsFile " + " ".join(f"/{number}" for number in range(33))],
    ],
    ids=lambda lines: lines[0][:40],
)
def test_what_ssh_refuses_is_refused_by_name(lines: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, *lines, "Port 99")
    for config in (installed(path), ConfigFile(path)):
        with pytest.raises(InventoryError, match=re.escape(f"{path}")):
            endpoint(of("board"), config)


@pytest.mark.parametrize("pattern", ["a\\*b", "\\a*", "[[:lower:]]*b"])
def test_an_include_with_other_patterns_than_python_s_is_refused_by_name(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "a*b").write_text("HostName x.lab\n")
    path = written(tmp_path, f"Include {tmp_path}/{pattern}")
    assert endpoint(of("board"), installed(path)).host == "x.lab"
    with pytest.raises(InventoryError, match=r"config line 1: Include .* is not understood"):
        endpoint(of("board"), ConfigFile(path))


@pytest.mark.parametrize("name", ["Board", "BOARD", "board.LAB", "192.0.2.1", "2001:DB8::1", "other"])
def test_a_name_in_upper_case_means_what_ssh_says(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "Host Board board.lab 2001:db8::1", "  Port 99", "Match host BOARD", "  User x")
    assert same(endpoint(of(name), ConfigFile(path))) == same(endpoint(of(name), installed(path)))


def test_includes_mean_what_ssh_says(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "1").write_text("Port 99\nHost nas\n  User nas\n")
    (parts / "2").write_text(f"Host board\n  User pi\nInclude {parts}/3\n")
    (parts / "3").write_text("HostName x.lab\n")
    for lines in (
        (f"Include {parts}/*", "IdentityFile /a"),
        ("Host nas", f"  Include {parts}/1", "Host board", f"  Include {parts}/2 {parts}/none", "  IdentityFile /b"),
        (f'Include "{parts}/1"', "IdentityFile /a"),
    ):
        path = written(tmp_path, *lines)
        for host in ("board", "nas", "other"):
            assert same(endpoint(of(host), ConfigFile(path))) == same(endpoint(of(host), installed(path)))
    path = written(tmp_path, f"Include {tmp_path}/config")
    for config in (ConfigFile(path), installed(path)):
        with pytest.raises(InventoryError):
            endpoint(of("board"), config)


HOSTS = ("board", "nas", "b*", "!nas", "!board", "*", "n?s", '"board"', "Board", "*.lab")
MATCHES = (
    *("host board", "host nas", "host=board", "host *.lab", "host b*,!nas", "!host nas", "originalhost board", "all"),
    *("user pi", "user !pi,*", "localuser root", "!localuser root", "canonical", "canonical host board", "exec true"),
    *("host board user pi", "originalhost b*,n* !user pi", "exec false", "final", "host nas exec true", "!all"),
)
VALUES = (
    *("HostName x.lab", "HostName %h.lab", "HostName 192.0.2.1", "User pi", "User me", "Port 22", "Port 2222"),
    *("IdentityFile ~/.ssh/%r_%h", "IdentityFile /k", "IdentityFile none", 'IdentityFile "/a b"', "IdentitiesOnly yes"),
    *("UserKnownHostsFile /a ~/b", "UserKnownHostsFile /c", "HostKeyAlias K", "ConnectTimeout 20s", "ProxyJump hop"),
    *("ProxyJump none", "ProxyCommand nc %h %p", "ProxyCommand none", "IdentityAgent none", "CertificateFile ~/%n"),
    *(
        "AddressFamily inet",
        "ForwardAgent yes",
        "Compression yes",
        "GlobalKnownHostsFile /g",
        "CanonicalizeHostname no",
    ),
)


def generated(chance: random.Random, include: Path) -> list[str]:
    """A config of valid lines, in many ways of writing them."""
    lines = []
    for _ in range(chance.randint(2, 12)):
        kind = chance.random()
        if kind < 0.2:
            lines.append("Host " + " ".join(chance.sample(HOSTS, chance.randint(1, 3))) + chance.choice(["", " # c"]))
        elif kind < 0.35:
            lines.append("Match " + chance.choice(MATCHES))
        elif kind < 0.4:
            lines.append(f"Include {include}")
        else:
            keyword, _, value = chance.choice(VALUES).partition(" ")
            keyword = chance.choice([keyword, keyword.lower(), keyword.upper()])
            comment = "" if keyword.lower() == "proxycommand" else chance.choice(["", "", " # c", "\t"])
            lines.append(
                chance.choice(["", "  ", "\t"]) + keyword + chance.choice([" ", "=", " = ", "\t "]) + value + comment
            )
    return lines


def test_our_own_reading_is_ssh_s_or_refuses_by_name(tmp_path: Path) -> None:
    chance = random.Random(15)  # noqa: S311 - not for secrets
    include = tmp_path / "include"
    equal = refused = 0
    for _ in range(150):
        include.write_text("\n".join(generated(chance, tmp_path / "none")) + "\n")
        path = written(tmp_path, *generated(chance, include))
        spec = of(chance.choice(["board", "nas", "x.lab"]), user=chance.choice([None, "pi"]))
        by_ssh = endpoint_or_refusal(spec, installed(path))
        ours = endpoint_or_refusal(spec, ConfigFile(path))
        if isinstance(ours, str):
            assert f"{path} line " in ours or f"{include} line " in ours
            refused += 1
        elif not isinstance(by_ssh, str):  # it refuses `Match !all` and final
            assert same(ours) == same(by_ssh), path.read_text() + "\n---\n" + include.read_text()
            equal += 1
    assert equal > 60
    assert refused > 5


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        *(("KnownHostsCommand", "/bin/echo %H"), ("ProxyUseFdpass", "yes"), ("CanonicalizeHostname", "yes")),
        *(("BindInterface", "lo"), ("RevokedHostKeys", "/x"), ("HostKeyAlgorithms", "+ssh-rsa"), ("Tag", "x")),
        *(("CheckHostIP", "yes"), ("PubkeyAcceptedAlgorithms", "x"), ("Nonsense", "1"), ("RequiredRSASize", "4096")),
    ],
)
def test_what_our_own_reading_does_not_know_is_refused_by_name(keyword: str, value: str, tmp_path: Path) -> None:
    path = written(tmp_path, "Host nas", f"  {keyword} {value}", "Host board", "  Port 99", f"  {keyword} {value}")
    with pytest.raises(InventoryError, match=f"(?i)config line 5: .*{keyword}.* is not understood"):
        endpoint(of("board"), ConfigFile(path))
    assert endpoint(of("other"), ConfigFile(path)).port == 22


@pytest.mark.parametrize(
    ("keyword", "value"), [("KnownHostsCommand", "/bin/echo %H"), ("ProxyUseFdpass", "yes"), ("BindInterface", "lo")]
)
def test_what_changes_who_is_trusted_and_is_not_carried_out_is_refused(
    keyword: str, value: str, tmp_path: Path
) -> None:
    path = written(tmp_path, "Host board", f"  {keyword} {value}")
    with pytest.raises(InventoryError, match=f"{keyword} is not supported"):
        endpoint(of("board"), installed(path))
    assert endpoint(of("other"), installed(path)).host == "other"


@pytest.mark.parametrize("value", ["%q", "%", "${NO_SUCH_VARIABLE}/x", "~nobody-of-that-name/x"])
def test_a_file_name_that_ssh_cannot_expand_is_a_sentence(value: str, tmp_path: Path) -> None:
    path = written(tmp_path, "Host board", f"  IdentityFile {value}")
    for config in (ConfigFile(path), installed(path)):
        with pytest.raises(InventoryError):
            endpoint(of("board"), config)


def test_two_ways_to_read_a_list_of_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a ").mkdir()
    (tmp_path / "a " / "b").touch()
    path = written(tmp_path, "Host board", f'  UserKnownHostsFile "{tmp_path}/a /b"')
    with pytest.raises(InventoryError, match="is ambiguous"):
        endpoint(of("board"), installed(path))


def test_what_ssh_refuses_only_without_a_command_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "ForkAfterAuthentication yes", "StdinNull yes", "Host board", "  Port 99")
    for config in (installed(path), ConfigFile(path)):
        assert endpoint(of("board"), config).port == 99


def test_an_ssh_that_does_not_know_an_option_is_not_given_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ssh"
    text = '#!/bin/sh\n[ "$1" = -V ] && echo OpenSSH_8.6p1 >&2 && exit\ncase "$*" in *Fork*) exit 9;; esac\n'
    program.write_text(text + f'exec {shutil.which("ssh")} "$@"\n')
    program.chmod(0o700)
    path = written(tmp_path, "Port 99")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert endpoint(of("board"), installed(path)).port == 99


def test_an_error_of_the_config_is_ssh_s_own_with_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "Host board", "  Port 99", "  Bogus 1")
    with pytest.raises(InventoryError, match=f"{path}: line 3: Bad configuration option: bogus"):
        endpoint(of("board"), installed(path))


def test_a_match_exec_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_settings, "_ANSWER_S", 0.5)
    mark = tmp_path / "late"
    path = written(tmp_path, f'Match exec "trap : TERM; sleep 2; touch {mark}"', "  Port 99")
    begun = time.monotonic()
    with pytest.raises(InventoryError, match="was not done after"):
        endpoint(of("board"), installed(path))
    assert time.monotonic() - begun < 2
    time.sleep(2)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [
        *(("OpenSSH_9.2p1 Debian-2", True), ("OpenSSH_for_Windows_8.1p1, LibreSSL", True), ("OpenSSH_6.7p1", False)),
        *(("Dropbear v2022.83", False), ("", False), ("OpenSSH_6.8p1", True), ("OpenSSH_10.0p2", True)),
    ],
)
def test_only_an_openssh_that_tells_its_settings_is_asked(
    answer: str, is_taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dropbear's `ssh` would connect when it is asked for -G."""
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -V ] || touch {tmp_path}/asked\necho '{answer}' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (openssh() is not None) == is_taken
    assert not (tmp_path / "asked").exists()


def test_without_openssh_our_own_reading_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert user_config(tmp_path / "config") == ConfigFile(tmp_path / "config")
    assert endpoint(of("board"), user_config(tmp_path / "config")).host == "board"


def test_home_is_ssh_s_and_not_the_environment_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = written(tmp_path, "Host board", "  IdentityFile ~/k")
    for config in (ConfigFile(path), installed(path)):
        found = endpoint(of("board"), config)
        assert found.identity_files == (Path(home(), "k"),)
        assert found.own_known_hosts[0] == Path(home(), ".ssh/known_hosts")


def test_a_hop_is_looked_up_as_ssh_does(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        *("Host board", "  ProxyJump one,me@two:99", "Host two", "  HostName two.lab", "  ProxyJump three", "  User x"),
        *("Host alone", "  ProxyJump two", "Host %h-hop", "Host token", "  ProxyJump %h-hop"),
    )
    for config in (ConfigFile(path), installed(path)):
        spec = of("board")
        last = hop(endpoint(spec, config), spec, config)
        assert (last.host, last.user, last.port, last.jump) == ("two.lab", "me", 99, "one")
        assert last.title == "jump host 'two' (me@two.lab, port 99) on the way to device 'x'"
        first = hop(last, spec, config)
        assert (first.host, first.jump_of) == ("one", "x")
        spec = of("alone")  # a hop's own ProxyJump counts when no other hop is named before it
        assert hop(endpoint(spec, config), spec, config).jump == "three"
        spec = of("token")
        assert hop(endpoint(spec, config), spec, config).host == "token-hop"


def test_the_machine_behind_an_alias_is_the_one_that_ssh_reaches(server: LoopbackSsh, tmp_path: Path) -> None:
    lines = (
        *("Match Host nas", "  HostName 192.0.2.1", "Match localuser nobody-of-that-name", "  HostName 192.0.2.2"),
        *("Host board # mine", f"  HostName 127.0.0.1\n  Port {server.port} # c", "  ConnectTimeout 20s"),
        *(f'  IdentityFile "{server.key}"', f'  UserKnownHostsFile "{server.known_hosts}"', f"  User {server.user}"),
    )
    path = written(tmp_path, *lines)
    program = shutil.which("ssh")
    assert program is not None
    argv = [
        program,
        "-F",
        str(path),
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "board",
        "echo",
        "$HOME",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    with SshTransport(of("board"), ssh_config=path) as transport:
        assert transport.shell("echo $HOME").stdout.decode() == done.stdout
