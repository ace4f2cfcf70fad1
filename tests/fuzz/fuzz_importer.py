"""Mutated models against reader, importer and planner, guided by coverage: `make fuzz`.

Whatever the bytes, the answer is a plan or one ModelError of one sentence, within 2 s and 2 GB.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bnnbench.kernels.models", "flatbuffers", "tflite"]):
    from bnnbench.kernels.errors import ModelError
    from bnnbench.kernels.models.importer import import_model
    from bnnbench.kernels.models.plan import make_plan
    from bnnbench.kernels.models.tflite_file import parse

GOLDEN = Path(__file__).parents[1] / "golden"
NAME = Path("mutated.tflite")


def one_input(content: bytes) -> None:
    """libFuzzer's target."""
    try:
        make_plan(import_model(parse(content, NAME))).to_bytes()
    except ModelError as error:
        text = str(error)
        assert "\n" not in text, text
        assert text.endswith((".", "?")), text
        assert str(NAME) in text, text


if __name__ == "__main__":
    sys.setrecursionlimit(2000)
    # A slow machine that is also instrumented gets five times the two seconds before it counts as a hang.
    options = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=20000", "-print_final_stats=1"]
    corpus = [word for word in sys.argv[1:] if not word.startswith("-")] or [str(GOLDEN)]
    atheris.Setup([sys.argv[0], *options, *(word for word in sys.argv[1:] if word.startswith("-")), *corpus], one_input)
    atheris.Fuzz()
