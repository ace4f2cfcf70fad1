"""`bnnbench model`: list, info; lint, diff and draw are in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .examples import give_own_examples
from .model_diff import diff
from .model_draw import draw
from .model_lint import lint
from .options import DebugOption, JsonOption, ShapeOption

app = App(
    name="model",
    help="Show, check, compare and draw model files, and list the shipped models.",
    help_epilogue="Examples:\n  bnnbench model list\n  bnnbench model info quicknet.tflite\n"
    "  bnnbench model lint quicknet.tflite               # what makes it slow or large, in MACs and bytes\n"
    "  bnnbench model lint quicknet.tflite -d pi4        # in times measured on a device\n"
    "  bnnbench model lint quicknet.tflite --fail-on 10% # in CI: status 1 where mending saves so much\n"
    "  bnnbench model diff before.tflite after.tflite\n"
    "  bnnbench model diff before.tflite after.tflite --input image.npy --json\n"
    "  bnnbench model draw quicknet.tflite -o quicknet.svg       # ops with their work\n"
    "  bnnbench model draw quicknet.tflite -o quicknet.png -d pi4 # steps with their times",
)


@app.command(name="list")
def list_(*, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the shipped models. Their names work wherever a file is expected."""
    from rich.table import Table

    from bnnbench.kernels.models.shipped import recipe, shipped_models
    from bnnbench.results.quantity import size

    from .documents.document import text_of
    from .documents.engines import ShippedModel
    from .terminal import Console

    recipes = [recipe(name) for name in shipped_models()]
    if json:
        print(text_of([ShippedModel(**item) for item in recipes]))
        return
    table = Table("name", "size", "3x3 layers", "accuracy, held out", box=None, pad_edge=False)
    for item in recipes:
        table.add_row(item["name"], size(item["bytes"]), item["kind"], f"{item['held_out_accuracy'] * 100:.2f} %")
    Console().print(table)


@app.command
def info(
    file: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    /,
    *,
    shape: ShapeOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List every op of a model with shapes, multiply-accumulates and bytes, its inputs and outputs, and the totals."""
    from bnnbench.kernels.models import describe
    from bnnbench.kernels.models.formats import read_model
    from bnnbench.kernels.models.shapes import with_shapes

    from ..suite.load import model_path
    from ..suite.shape_words import shapes_of
    from .documents.document import text_of
    from .documents.engines import ModelInfo
    from .model_table import print_model

    model = with_shapes(read_model(model_path(str(file), Path())), shapes_of(shape or []))
    description = describe(model)
    if json:
        print(text_of(ModelInfo.of(str(file), model, description)))
        return
    print_model(description, file, model.size_bytes)


app.command(lint)
app.command(diff)
app.command(draw)
give_own_examples(app)
