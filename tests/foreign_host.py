"""A Python that takes its host for another system, as far as the standard library bears it: a stand-in for macOS and
Windows.

`python foreign_host.py SYSTEM CALLS` imports every module, and says which fail; then come the calls of bnnbench, with
`:` between two, and their exit statuses.
"""

from __future__ import annotations

import os
import pkgutil
import platform
import select
import signal
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

SYSTEMS = {"macos": ("darwin", "Darwin", "arm64"), "windows": ("win32", "Windows", "AMD64")}
LINUX_ONLY = {"bnnbench.kernels.engines.drivers.tflite_driver"}
"""Runs in a Python that `engines install` makes, which is for Linux alone."""

USED_LATER = ("multiprocessing.pool", "platformdirs.unix")
"""Libraries that are imported when they are used."""

# What Windows lacks, by typeshed, but for os.fchmod and O_NONBLOCK, which filelock needs here.
HIDDEN = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
MISSING: dict[ModuleType, tuple[str, ...]] = {
    os: (
        *("fork", "forkpty", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getuid", "killpg", "mkfifo"),
        *("posix_fallocate", "pread", "pwrite", "sched_getaffinity", "sched_setaffinity", "set_blocking", "setsid"),
        *("statvfs", "sysconf"),
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "uname", "wait4"),
    ),
    select: ("epoll", "poll", "POLLIN", "POLLOUT"),
    signal: ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "pthread_sigmask", "setitimer"),
    socket: ("AF_UNIX",),
}


class Hider(MetaPathFinder):
    """Finds none of `HIDDEN`."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in HIDDEN:
            raise ImportError(f"there is no {name} on Windows", name=name)


def modules() -> Iterator[str]:
    package = import_module("bnnbench")
    yield package.__name__
    for one in pkgutil.walk_packages(package.__path__, "bnnbench."):
        if one.name not in LINUX_ONLY and "_vendor" not in one.name:
            yield one.name


def become(system: str) -> None:
    """Other libraries are loaded as what they are on this host; bnnbench begins anew."""
    for name in (*modules(), *USED_LATER):
        import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "bnnbench"]:
        del sys.modules[name]
    sys.platform, called, machine = SYSTEMS[system]
    platform.system, platform.machine = lambda: called, lambda: machine
    if system == "macos":
        del os.sched_getaffinity
        return
    for module, names in MISSING.items():
        for name in names:
            delattr(module, name)
    for name in HIDDEN:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Hider())


def call(words: list[str]) -> int:
    from bnnbench.harness.cli.main import main

    try:
        main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def begin(system: str, *words: str) -> None:
    become(system)
    for name in modules():
        try:
            import_module(name)
        except Exception as error:
            print(f"{name} cannot be imported: {type(error).__name__}: {error}")
    print("statuses", *(call(one.split()) for one in " ".join(words).split(" : ")))


if __name__ == "__main__":
    begin(*sys.argv[1:])
