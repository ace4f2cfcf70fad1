"""A lab that tests share; one that breaks it mends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.labs import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts: one offers itself as `desk`, the other a board behind a real SSH server."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    server, table = lab.board("board")
    try:
        lab.start()
        lab.join("near", lab.local("desk") + '[pool.here]\ndevices = ["desk"]\n')
        lab.join("far", table + '\n[pool.here]\nquery = "cpus>=1"\n')
        yield lab
    finally:
        lab.stop()
        server.stop()
