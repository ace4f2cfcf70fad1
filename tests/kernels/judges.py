"""Other people's interpreters as judges of ours: models in, outputs back, through the driver of their engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Start
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.engines.tflite import TFLiteEngine
from bnnbench.kernels.errors import EngineError
from tests.kernels.engine_process import HOST, EngineProcess

Array = NDArray[Any]
NUMPY = {"f32": "<f4", "i8": "|i1", "i32": "<i4", "u8": "|u1"}
KERNELS = {
    "litert-reference": ("litert", ("reference_kernels",)),
    "litert-builtin": ("litert", ("no_delegates",)),
    "litert": ("litert", ()),
    "lce": ("lce", ()),
    "lce-xnnpack": ("lce", ("use_xnnpack",)),
}


class Judge:
    """One interpreter, started again when a model made it crash."""

    def __init__(self, name: str, folder: Path) -> None:
        runtime, options = KERNELS[name]
        if installed(runtime) is None:
            pytest.skip(f"{runtime} is not installed: bnnbench engines install {runtime}")
        self._engine = TFLiteEngine(name, runtime, name, options=options)
        self._folder = folder
        self._process: EngineProcess | None = None

    def outputs(self, content: bytes, inputs: Sequence[Array]) -> list[Array] | str:
        """What it computes, or why it does not."""
        client = self._started().client
        (self._folder / "model").write_bytes(content)
        try:
            loaded = client.load("m", {"model": "model"})
            for index, array in enumerate(inputs):
                (self._folder / "input").write_bytes(array.tobytes())
                client.input("m", "input", index=index)
            client.run("m", samples=1, iterations=1, limit_ns=60 * 10**9)
            client.output("m", "output")
            client.unload("m")
        except EngineError as error:
            self.close()
            return str(error)
        raw, offset, found = (self._folder / "output").read_bytes(), 0, []
        for one in loaded.outputs:
            dtype = np.dtype(NUMPY[one.dtype])
            found.append(np.frombuffer(raw, dtype, int(np.prod(one.shape)), offset).reshape(one.shape))
            offset += found[-1].nbytes
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.errors()
            self._process = None

    def _started(self) -> EngineProcess:
        if self._process is None:
            files = self._engine.prepare(HOST, None, None).files
            command = self._engine.command(Start([str(files[0].path)], local=True))
            self._process = EngineProcess(command, self._folder)
        return self._process
