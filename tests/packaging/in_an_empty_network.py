"""Runs the installed program on one device, all inside one network namespace; prints what `run --json` prints.

Called as: in_an_empty_network.py PROGRAM DEVICE FOLDER. For the device `ssh` a real sshd is started beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.devices.sshd import LoopbackSsh


def main() -> int:
    program, device, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    options: list[str] = []
    with ExitStack() as ended:
        if device == "ssh":
            server = LoopbackSsh(folder / "server")
            ended.callback(server.stop)
            inventory = folder / "devices.toml"
            inventory.write_text(
                f'[device.board]\ntransport = "ssh"\nhost = "127.0.0.1"\nuser = "{server.user}"\nport = {server.port}\n'
                f'identity_file = "{server.key}"\nknown_hosts = "{server.known_hosts}"\n'
            )
            device, options = "board", ["--inventory", str(inventory)]
        command = [program, "run", "quicknet_s", "--device", device, *options, "--invocations", "1", "--json"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=500).returncode


if __name__ == "__main__":
    sys.exit(main())
