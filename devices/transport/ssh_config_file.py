"""~/.ssh/config where no OpenSSH is installed: what it says for a host, or the line that is not understood.

Lines for other hosts are passed over. A line that counts for the host is honoured, is harmless to leave out, or is
refused by its name.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bnnbench.devices.transport.ssh_config_lines import Line, config_lines, criteria, exactly_one, some
from bnnbench.devices.transport.ssh_patterns import all_match, list_matches
from bnnbench.devices.transport.ssh_settings import Settings
from bnnbench.devices.transport.ssh_tokens import HOST_NAME, Tokens, own_home, own_name, tilde

_SYSTEM: Final = Path("/etc/ssh/ssh_config")
_MAX_DEPTH: Final = 16
_MAX_FILES: Final = 100
_MAX_LISTED: Final = 32
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
        *("forkafterauthentication", "stdinnull"),
    )
)
_TIME: Final = re.compile(r"(?:\d+[sSmMhHdDwW]?)+")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OTHER_PATTERN: Final = re.compile(r"\\|\[\^|\[[:.=]")
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
        for line in config_lines(path):
            if line.keyword == "host":
                active = all_match(self.host, some(line, "host patterns"))
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

    def _include(self, line: Line, folder: Path, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise line.refused("Include is circular")
        for word in some(line, "file names"):
            # Python's patterns know no backslash and no classes.
            if "%" in word or "${" in word or _OTHER_PATTERN.search(line.rest):
                raise line.refused(f"Include {word!r} is not understood")
            pattern = tilde(word)
            for file in sorted(glob.glob(str(folder / pattern))):  # noqa: PTH207 - the pattern may be absolute
                self.read(Path(file), folder, True, depth + 1)

    def _match(self, line: Line) -> bool:
        """Whether a Match block counts. Raises InventoryError when that cannot be known."""
        unknown, holds = None, True
        for criterion, negated, value in criteria(line):
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

    def _take(self, line: Line) -> None:
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
            (word,) = exactly_one(line)
            found = self.values.setdefault(keyword, [])
            if len(found) >= _MAX_FILES:
                raise line.refused(f"{keyword!r} is given more than {_MAX_FILES} times, which ssh does not take")
            if word not in found:
                found.append(word)
        elif keyword in _ONE | _FLAGS:
            (word,) = exactly_one(line)
            self._keep(keyword, [_checked(line, word)])
        else:
            raise line.refused(f"{line.keyword!r} is not understood")

    def _keep(self, keyword: str, value: list[str]) -> None:
        if value:
            self.values.setdefault(keyword, value)

    def _take_jump(self, line: Line) -> None:
        (word,) = exactly_one(line)
        if word.lower() != "none" and not all(_JUMP.fullmatch(hop.removeprefix("ssh://")) for hop in word.split(",")):
            raise line.refused(f"ProxyJump {word!r} is not understood")
        if "proxycommand" not in self.values:
            self._keep("proxyjump", ["none" if word.lower() == "none" else word])

    def _take_files(self, line: Line) -> None:
        words = some(line, "file names")
        if len(words) > 1 and "none" in map(str.lower, words):
            raise line.refused(f"{line.keyword!r} takes none or file names, not both")
        if len(words) > _MAX_LISTED:
            raise line.refused(f"{line.keyword!r} names more than {_MAX_LISTED} files, which ssh does not take")
        self._keep(line.keyword, words)


def _checked(line: Line, word: str) -> str:
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
