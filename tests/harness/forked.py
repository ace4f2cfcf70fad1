"""Commands in processes forked from one that has imported them: importing takes longer than most commands do.

Run as a program, this is that process. It reads a line of JSON for each command, and writes two: the process ID, and
the exit status once the command has ended.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

MILLISECONDS = 1.0
"""Of a sample and of the warm-up, where a suite does not say it: by itself 5 and 300."""


class ForkServer:
    """Executes commands, one at a time."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-P", __file__], stdin=pipe, stdout=pipe, bufsize=0)

    def run(
        self, words: Sequence[str], folder: Path, environment: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """`words` begin with the program, as argv. Raises subprocess.TimeoutExpired; the command is killed then."""
        with tempfile.TemporaryDirectory() as results:
            request = {"words": words, "folder": str(folder), "environment": environment, "results": results}
            assert self._process.stdin is not None
            pid = None
            try:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                pid = self._answer()
                if not select.select([self._process.stdout], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(words, timeout)
                status = self._answer()
            except BaseException:  # also a test's own limit: then an answer may be left, and be taken for the next one
                self._process.kill()
                self._process.wait()
                if pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._start()
                raise
            out, err = (Path(results, name) for name in ("out", "err"))
            return subprocess.CompletedProcess(words, status, out.read_text(), err.read_text())

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def serve() -> None:
    """Until its input ends; returns in every child as well, whose command is then still to be executed."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            become(**json.loads(line))
            return
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    os._exit(0)


def become(words: list[str], folder: str, environment: dict[str, str], results: str) -> None:
    """Arguments, environment, folder and files of the command. Its input is empty."""
    sys.argv = words
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    flags = os.O_WRONLY | os.O_CREAT
    for number, opened in enumerate(
        (os.open(os.devnull, os.O_RDONLY), os.open(f"{results}/out", flags), os.open(f"{results}/err", flags))
    ):
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # without what this process has read ahead


def import_all() -> None:
    from bnnbench.harness.suite import defaults

    defaults.MIN_SAMPLE_MS = defaults.WARMUP_MS = MILLISECONDS  # before the suite's tables are imported
    from bnnbench.harness import cli, tasks

    for package in (cli, tasks):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    for name in ("bnnbench.results.report.html", "matplotlib.backends.backend_svg", "matplotlib.figure", "scipy.stats"):
        importlib.import_module(name)
    os.fsync = lambda fd: None  # no test cuts the power


def execute() -> int:
    """The command's exit status, as Python would give it."""
    from bnnbench.harness.cli.main import main as command

    try:
        command()
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main() -> NoReturn:
    import_all()
    gc.freeze()  # a collection in a child would copy all pages
    serve()
    status = execute()
    # As Python ends, without taking apart what was imported.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
