"""Runs under QEMU in Debian's Python: one inference and then two, between the marks that the counter waits for.

Called with the folder of its packages and the model.
"""

import ctypes
import sys

sys.path.insert(0, sys.argv[1])

import numpy as np
from ai_edge_litert.interpreter import Interpreter

_MARK = 0x626E6E62


def main() -> None:
    prctl = ctypes.CDLL(None).prctl
    interpreter = Interpreter(model_path=sys.argv[2], num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    interpreter.invoke()
    for inferences in (1, 2):
        prctl(_MARK, 1, 0, 0, 0)
        for _ in range(inferences):
            interpreter.invoke()
        prctl(_MARK, 2, 0, 0, 0)


main()
