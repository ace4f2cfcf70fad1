"""`bnnbench eval`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from cyclopts import App, Parameter

from .options import (
    AllOption,
    AnyOption,
    DebugOption,
    DeviceOption,
    InventoryOption,
    JsonOption,
    LabOption,
    ShapeOption,
    StoreOption,
    ThreadsOption,
    WaitOption,
)

EXAMPLES = """Examples:
  bnnbench eval quicknet_s                                   # shipped model and images, here
  bnnbench eval quicknet_s -d pi4 --images 500               # a subset, for a slow board or link
  bnnbench eval large.tflite --dataset photos.npz --reference-images 1000
  bnnbench eval mine.tflite --dataset photos.npz -e native -e lce
  bnnbench eval quicknet.tflite --dataset val --resize larq-zoo --normalize imagenet --images 500
Your own dataset: a folder with one folder of JPEG or PNG files per class, or with such files and a
labels.csv (file,label); or an .npz file or a folder of .npy files with images and labels. There,
uint8 images need a scale and an offset: the model sees x * scale + offset."""

app = App(name="eval", help_epilogue=EXAMPLES)


@app.default
def evaluate(
    models: Annotated[list[str], Parameter(help="Models: .tflite or .onnx files, or names of shipped ones.")],
    /,
    *,
    dataset: Annotated[
        str, Parameter(help="Labelled images: a dataset's name, an .npz file, or a folder.")
    ] = "fashion-mnist",
    resize: Annotated[
        str | None,
        Parameter(
            help="Resizing of a folder's images: crop, stretch or larq-zoo; default: none, they have the model's size."
        ),
    ] = None,
    normalize: Annotated[
        str | None,
        Parameter(
            help="Scaling of their values: [-1,1], [0,1], [0,255], imagenet, or mean=0.5 std=0.25.",
        ),
    ] = None,
    images: Annotated[int | None, Parameter(help="Number of images, drawn with the seed; default: all.")] = None,
    reference_images: Annotated[
        str | None,
        Parameter(
            help="Images to check against the reference, or all; default: as many as take a minute, at least 100."
        ),
    ] = None,
    seed: Annotated[int, Parameter(help="Seed for drawing images.")] = 0,
    shape: ShapeOption = None,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    any: AnyOption = None,
    all: AllOption = False,
    engine: Annotated[
        list[str],
        Parameter(
            name=["--engine", "-e"],
            negative="",
            show_default=lambda names: ", ".join(names),
            help="Engines to run; see bnnbench engines list.",
        ),
    ] = ["native"],  # noqa: B006
    threads: ThreadsOption = 1,
    invocations: Annotated[int, Parameter(help="Fresh processes per model for its latency; 0: accuracy only.")] = 7,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Measure the accuracy and the latency of models on labelled images."""

    from bnnbench.results.store.runs import Store

    from ..plan.cases import refused_models
    from ..tasks.measure import evaluate_models
    from .accuracy import print_accuracies, print_accuracies_json
    from .measuring import INTERRUPTED, NOT_MEASURED, called
    from .summary import again
    from .terminal import Console

    compared = _compared(reference_images)
    with called(Store(store), device, inventory, [threads], lab=lab, any=any, all=all) as call:
        result = evaluate_models(
            call,
            models,
            dataset=dataset,
            resize=resize,
            normalize=normalize,
            images=images,
            reference_images=compared,
            seed=seed,
            engines=engine,
            invocations=invocations,
            shapes=shape or (),
        )
    if json:
        print_accuracies_json(result)
    else:
        print_accuracies(result, Console(), again(result.stored.record.run_id, store))
    if result.outcome == "interrupted":
        return INTERRUPTED
    accuracies, record = result.stored.accuracies, result.stored.record
    proven = {case.id for case in record.cases} <= {id for id, found in accuracies.items() if found.status == "ok"}
    is_whole = result.outcome == "complete" and not result.failures and not refused_models(record.skips, record.cases)
    return 0 if is_whole and proven and accuracies else NOT_MEASURED


def _compared(text: str | None) -> int | Literal["all"] | None:
    from ..errors import CallError

    if text is None:
        return None
    if text == "all":
        return "all"
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise CallError(f"--reference-images {text!r} is neither a number from 1 nor all.")
    return int(text)
