"""~/.ssh/config where no OpenSSH is installed: what it says for a host, or the line that is not understood.

Lines for other hosts are passed over. A line that counts for the host is honoured, is harmless to leave out, or is
refused by its name.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.transport.ssh_patterns import all_match, list_matches
from bnnbench.devices.transport.ssh_settings import Settings
from bnnbench.devices.transport.ssh_tokens import HOST_NAME, Tokens, own_home, own_name, tilde

_SYSTEM: Final = Path("/etc/ssh/ssh_config")
_MAX_DEPTH: Final = 16
_SPACE: Final = " \t\r\f"
_RAW: Final = frozenset({"proxycommand"})  # the rest of the line, as it stands
_FLAG: Final = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_FLAGS: Final = frozenset({"identitiesonly"})
_ONE: Final = frozenset(
    ("hostname", "user", "port", "hostkeyalias", "connecttimeout", "identityagent", "addressfamily", "bindaddress")
)
_EACH: Final = frozenset({"identityfile", "certificatefile"})
_FILES: Final = frozenset({"userknownhostsfile", "globalknownhostsfile"})
_NAMES: Final = frozenset({"host", "originalhost"})
_LOWER: Final = frozenset({"hostkeyalias", "addressfamily"})
# They change neither which machine is reached, nor who is trusted, nor with which key one logs in.
_HARMLESS: Final = frozenset(
    (
        *("addkeystoagent", "batchmode", "compression", "connectionattempts", "escapechar", "exitonforwardfailure"),
        *("controlmaster", "controlpath", "controlpersist", "dynamicforward", "localforward", "remoteforward"),
        *("fingerprinthash", "forwardagent", "forwardx11", "forwardx11timeout", "forwardx11trusted", "gatewayports"),
        *("gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "hostbasedauthentication", "ipqos"),
        *("kbdinteractiveauthentication", "localcommand", "loglevel", "numberofpasswordprompts", "clearallforwardings"),
        *("passwordauthentication", "permitlocalcommand", "rekeylimit", "requesttty", "sendenv", "setenv", "tunnel"),
        *("serveralivecountmax", "serveraliveinterval", "stricthostkeychecking", "syslogfacility", "tcpkeepalive"),
        *("updatehostkeys", "verifyhostkeydns", "visualhostkey", "xauthlocation", "nohostauthenticationforlocalhost"),
    )
)
_TIME: Final = re.compile(r"(?:\d+[sSmMhHdDwW]?)+")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_JUMP: Final = re.compile(r"(?:[^@,\s]+@)?(?:\[[^]]+\]|[^]\[:,\s@]+)(?::\d{1,5})?")
_USUAL: Final = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa")
IDENTITIES: Final = tuple(f"~/.ssh/{name}" for name in _USUAL)
"""The key files that are used when none is named."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Reads `path`, or ssh's usual files."""

    path: Path | None = None

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        """What holds for `host`. Raises InventoryError naming file and line."""
        reading = _Reading(host, user, port)
        own = Path(own_home()) / ".ssh"
        reading.read(self.path or own / "config", own, True, 0)
        if self.path is None:
            reading.read(_SYSTEM, _SYSTEM.parent, True, 0)
        return Settings(reading.finish())


@dataclass(slots=True)
class _Line:
    where: str
    keyword: str
    rest: str

    def words(self) -> list[str]:
        """The arguments, unquoted, up to a comment. Raises InventoryError."""
        found = []
        rest = self.rest.lstrip(" \t")
        while rest and not rest.startswith("#"):
            word, rest = self._word(rest)
            found.append(word)
            rest = rest.lstrip(" \t")
        return found

    def refused(self, why: str) -> InventoryError:
        """The error that names this line."""
        return InventoryError(f"{self.where}: {why}; install the OpenSSH client, or leave that line out for this host.")

    def _word(self, text: str) -> tuple[str, str]:
        word, quote, at = "", "", 0
        while at < len(text) and (quote or text[at] not in " \t"):
            one, following = text[at], text[at + 1 : at + 2]
            if one == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
                word, at = word + following, at + 1
            elif (not quote and one in "'\"") or (quote and one == quote):
                quote = "" if quote else one
            else:
                word += one
            at += 1
        if quote:
            raise self.refused("a quote is not closed")
        return word, text[at:]


@dataclass(slots=True)
class _Reading:
    """The files so far, for one host. The first value of a keyword wins."""

    host: str
    user: str | None
    port: int | None
    values: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        asked = {"user": self.user, "port": self.port}
        self.values = {key: [str(value)] for key, value in asked.items() if value is not None}

    def read(self, path: Path, folder: Path, active: bool, depth: int) -> None:
        """Take in a file; relative includes are in `folder`."""
        for line in _lines(path):
            if line.keyword == "host":
                active = all_match(self.host, line.words())
            elif line.keyword == "match":
                active = self._match(line)
            elif active and line.keyword == "include":
                self._include(line, folder, depth)
            elif active:
                self._take(line)

    def finish(self) -> dict[str, tuple[str, ...]]:
        """The values as `ssh -G` prints them, but for tokens."""
        found = {key: tuple(values) for key, values in self.values.items()}
        host = self._host_name()
        defaults = {
            "user": (own_name(),),
            "port": ("22",),
            "identityfile": IDENTITIES,
            "userknownhostsfile": ("~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
            "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"),
        }
        return defaults | found | {"hostname": (host if ":" in host else host.lower(),)}

    def _host_name(self) -> str:
        name = self.values.get("hostname", [self.host])[0]
        tokens = Tokens(host=self.host, original=self.host, port=0, user="")
        return tokens.expand("HostName", name, HOST_NAME) if "hostname" in self.values else name

    def _include(self, line: _Line, folder: Path, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise line.refused("Include goes round in a circle")
        for word in line.words():
            if "%" in word or "${" in word or not word:
                raise line.refused(f"Include {word!r} is not understood")
            pattern = tilde(word)
            for file in sorted(glob.glob(str(folder / pattern))):  # noqa: PTH207 - the pattern may be absolute
                self.read(Path(file), folder, True, depth + 1)

    def _match(self, line: _Line) -> bool:
        """Whether a Match block counts. Raises InventoryError when that cannot be known."""
        unknown, holds = None, True
        for criterion, negated, value in _criteria(line):
            if criterion == "final":
                raise line.refused("Match final is not understood")
            subject = {
                "host": self._host_name().lower(),
                "originalhost": self.host.lower(),
                "user": self.values.get("user", [own_name()])[0],
                "localuser": own_name(),
            }
            if criterion == "all":
                continue
            if criterion == "canonical":
                holds = holds and negated
            elif criterion in subject:
                pattern = value.lower() if criterion in _NAMES else value
                holds = holds and list_matches(subject[criterion], pattern) != negated
            else:
                unknown = unknown or criterion
        if holds and unknown:
            raise line.refused(f"Match {unknown} is not understood")
        return holds

    def _take(self, line: _Line) -> None:
        keyword = line.keyword
        if keyword in _HARMLESS:
            return
        if keyword == "canonicalizehostname":
            if line.words() != ["no"]:
                raise line.refused("CanonicalizeHostname is not understood")
        elif keyword == "proxyjump":
            self._take_jump(line)
        elif keyword in _RAW:
            self._keep(
                keyword, [line.rest.lstrip(" \t=")] if self.values.get("proxyjump", ["none"]) == ["none"] else []
            )
        elif keyword in _FILES:
            self._take_files(line)
        elif keyword in _EACH:
            (word,) = _exactly_one(line)
            if word not in self.values.setdefault(keyword, []):
                self.values[keyword].append(word)
        elif keyword in _ONE | _FLAGS:
            (word,) = _exactly_one(line)
            self._keep(keyword, [_checked(line, word)])
        else:
            raise line.refused(f"{line.keyword!r} is not understood")

    def _keep(self, keyword: str, value: list[str]) -> None:
        if value:
            self.values.setdefault(keyword, value)

    def _take_jump(self, line: _Line) -> None:
        (word,) = _exactly_one(line)
        if word.lower() != "none" and not all(_JUMP.fullmatch(hop.removeprefix("ssh://")) for hop in word.split(",")):
            raise line.refused(f"ProxyJump {word!r} is not understood")
        if "proxycommand" not in self.values:
            self._keep("proxyjump", [word])

    def _take_files(self, line: _Line) -> None:
        words = line.words()
        if not words or not all(words):
            raise line.refused(f"{line.keyword!r} takes file names")
        self._keep(line.keyword, words)


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InventoryError(f"{path} cannot be read: {error.strerror}.") from error
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_SPACE)
        if not line or line.startswith("#"):
            continue
        keyword = re.split(r"[ \t\r\n\f=\"]", line, maxsplit=1)[0]
        rest = re.sub(r"^[ \t]*=?", "", line[len(keyword) :])
        yield _Line(f"{path} line {number}", keyword.lower(), rest)


def _criteria(line: _Line) -> Iterator[tuple[str, bool, str]]:
    """Each criterion of a Match line: its name, whether it is negated, and its value."""
    words = [part for word in line.words() for part in ([word] if "=" not in word else word.split("=", 1))]
    if '"' in line.rest or not words:
        raise line.refused("a Match with quotes, or without criteria, is not understood")
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("!").lower()
        value = "" if name in ("all", "canonical", "final") else next(rest, None)
        if value is None:
            raise line.refused(f"Match {name} lacks its value")
        yield name, word.startswith("!"), value
        if name == "all" and (word.startswith("!") or next(rest, None) is not None):
            raise line.refused("Match all stands alone")


def _exactly_one(line: _Line) -> list[str]:
    words = line.words()
    if len(words) != 1 or not words[0]:
        raise line.refused(f"{line.keyword!r} takes one value")
    return words


def _checked(line: _Line, word: str) -> str:
    """A value as `ssh -G` prints it. Raises InventoryError."""
    keyword = line.keyword
    if keyword == "port":
        if not (re.fullmatch(r"[0-9]{1,5}", word) and 0 < int(word) < 65536):
            raise line.refused(f"Port {word!r} is not a number from 1 to 65535")
        return str(int(word))
    if keyword == "connecttimeout" and word != "none":
        if not _TIME.fullmatch(word):
            raise line.refused(f"ConnectTimeout {word!r} is not a number of seconds")
        parts = re.findall(r"(\d+)([a-zA-Z]?)", word)
        return str(sum(int(count) * _SECONDS[unit.lower() or "s"] for count, unit in parts))
    if keyword in _FLAGS:
        if word not in _FLAG:
            raise line.refused(f"{keyword!r} is yes or no")
        return _FLAG[word]
    if keyword == "addressfamily" and word.lower() not in ("any", "inet", "inet6"):
        raise line.refused(f"AddressFamily {word!r} is not understood")
    return word.lower() if keyword in _LOWER else word
