"""Takes out of texts what names people and machines: what is known, and what looks like it; counts what it took."""

import ipaddress
import re
from collections import Counter
from typing import Any

_COMMON = {"root", "local", "localhost", "this machine", "/root", "/", "shell", ""}
"""What everybody has is no secret, and stands in ordinary sentences."""
_IDENTITIES = {"boot_id": "machine id", "machine_id": "machine id", "serial": "serial"}
"""Keys whose values name one machine, also where these are facts with a `value` and a `source`."""
_HOME = re.compile(r"(?:/home|/Users|/data/data|/media|/mnt|/run/user)/[^\s:,;'\"<>|)]+")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_MAC = re.compile(r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_URL = re.compile(r"\b(?:ssh|adb|https?)://[^\s'\"<>)]+")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:])[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(?:%\w+)?(?![0-9A-Za-z:])")
_SERIAL = re.compile(r"(?i)\b(serial(?:[ _-]?(?:no|number))?\s*[:=]\s*)(\S+)")


class Redactor:
    """Replaces names by `<kind>`; `taken` counts what was replaced, by kind, and holds no value."""

    def __init__(self, known: dict[str, str]) -> None:
        """`known` maps values to their kinds."""
        usable = {value: kind for value, kind in known.items() if value not in _COMMON}
        longest = sorted(usable.items(), key=lambda item: len(item[0]), reverse=True)
        self._known = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"), kind) for value, kind in longest
        ]
        self.taken: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """The text without them."""
        for pattern, kind in self._known:
            text = self._replaced(pattern, kind, text)
        for pattern, kind in ((_URL, "address"), (_UUID, "machine id"), (_MAC, "MAC"), (_MAIL, "user")):
            text = self._replaced(pattern, kind, text)
        text = _SERIAL.sub(lambda found: found[1] + self._take("serial", found[2]), text)
        text = self._replaced(_HOME, "path", text)
        text = _IPV4.sub(self._address, text)
        return _IPV6.sub(self._address, text)

    def value(self, value: Any, key: str = "") -> Any:
        """A document of JSON types without them, in keys and values."""
        if isinstance(value, dict):
            of = {name: key if key in _IDENTITIES and name == "value" else str(name) for name in value}
            return {self.text(str(name)): self.value(item, of[name]) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, key) for item in value]
        if key in _IDENTITIES and value is not None:
            return self._take(_IDENTITIES[key], str(value))
        return self.text(value) if isinstance(value, str) else value

    def _replaced(self, pattern: re.Pattern[str], kind: str, text: str) -> str:
        return pattern.sub(lambda found: self._take(kind, found[0]), text)

    def _address(self, found: re.Match[str]) -> str:
        try:
            ipaddress.ip_address(found[0].partition("%")[0])
        except ValueError:
            return found[0]  # a version, a time
        return self._take("address", found[0])

    def _take(self, kind: str, value: str) -> str:
        """What stands in the place of a value."""
        self.taken[kind] += 1
        return f"<{kind}>"
