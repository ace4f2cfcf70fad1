"""Measuring suites and models: `bnnbench.run` and `bnnbench.evaluate`."""

from collections.abc import Sequence
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Literal

from .error import raises_sentences
from .runs import Run, run_of
from .words import command, counts, names, opened, path_of, paths, waits, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tasks.measure import Call


@raises_sentences
@waits
def run(
    files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    /,
    *,
    device: str | Sequence[str] = "local",
    any: int | None = None,
    all: bool = False,
    engine: str | Sequence[str] | None = None,
    invocations: int | None = None,
    threads: int | str | Sequence[int] | None = None,
    layers: bool = False,
    shape: str | Sequence[str] = (),
    filter: str | None = None,
    tails: bool = False,
    deadline: str | None = None,
    starts: bool = False,
    resume: str | None = None,
    trust: bool = False,
    store: str | PathLike[str] | None = None,
    inventory: str | PathLike[str] | None = None,
    lab: str | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Run:
    """Measures suites and models: checks every case against the reference, then times it.

    Does the same as `bnnbench run`, with its options as arguments. After an error, devices are released too, and the
    measurements up to then are in the store.

    Args:
        files: Suites (`.toml`), models (`.tflite`) and names of shipped models, one or several; default: quickstart.
        device: Names of the inventory, pools, queries such as "soc=bcm2712", `local`, or addresses such as
            `ssh://pi@pi4.lab`.
        any: Take this many free devices, of those that `device` names, else of the inventory or lab.
        all: Take every device that is not quarantined, of those that `device` names, else of the inventory or lab.
        engine: Only these engines; default: the suite's.
        invocations: Fresh processes per case; default: the suite's (7); 0: only verification.
        threads: Thread counts, such as 4, [1, 4] or "1,4".
        layers: Also measure each binary layer of the models.
        shape: Shapes of inputs whose sizes the models leave open: "1x224x224x3", or "NAME=1x224x224x3" for each.
        filter: Only workloads whose name matches this regular expression.
        tails: Also time single executions, for p99 and p99.9.
        deadline: Also count executions that take longer, such as "33ms".
        starts: Also time processes from start to first result, with their files in memory and not.
        resume: Finish a run that was cut off: its id, a unique prefix, or "latest". Only store, inventory, lab and
            trust can be given with it.
        trust: Trust a run or baseline from elsewhere: run its programs and read its files.
        store: Folder of stored runs; default: `runs` in the project.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        lab: Address of the lab that has the devices, such as "tls://lab.local:8786".
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The stored run. If some devices failed, they are in its `failures`.

    Raises:
        CallError: An argument, a suite, a model or the inventory is wrong.
        MeasureError: Nothing could be measured.
        KeyboardInterrupt: The run was interrupted; the message has the command that finishes it.

    Example:
        >>> import bnnbench as bnn
        >>> run = bnn.run("quicknet_xs", engine="native", invocations=2, store="results")
        >>> run.frame[["workload", "engine", "status"]].values.tolist()
        [['quicknet_xs', 'native', 'ok']]
    """
    from ..errors import CallError

    results = opened(store)
    if resume is not None:
        from ..lab.choose import hosts_at
        from ..run.resume import resume_run

        elsewhere = names(device) not in ([], ["local"])
        others = [files, engine, threads, filter, layers, shape, tails, deadline, starts, elsewhere, all]
        if [each for each in others if each] or {any, invocations} != {None}:
            raise CallError(
                "resume goes with store, inventory, lab, wait, trust and progress only: a run knows its own suite, "
                "devices and engines."
            )
        with watched(progress) as watcher:
            done = resume_run(
                results, resume, watcher, inventory=path_of(inventory), trusts=trust, hosts_of=hosts_at(lab)
            )
        return run_of(done, results)
    from ..cli.words import nanoseconds
    from ..plan.extras import Extras
    from ..tasks.measure import run_files

    asked = {"device": device, "engine": engine, "invocations": invocations, "threads": threads, "layers": layers}
    asked |= {
        "any": any,
        "all": all,
        "shape": names(shape) or None,
        "filter": filter,
        "tails": tails,
        "deadline": deadline,
        "starts": starts,
    }
    words = command("run", files, {**asked, "store": store, "inventory": inventory, "lab": lab})
    extras = Extras(tails, nanoseconds(deadline), starts)
    with calling(words, progress, store, device, inventory, threads, filter, lab=lab, any=any, all=all) as call:
        done = run_files(
            *(call, paths(files)),
            engines=names(engine) or None,
            invocations=invocations,
            layers=layers,
            shapes=names(shape),
            extras=extras,
        )
    return run_of(done, results)


@raises_sentences
@waits
def evaluate(
    models: str | PathLike[str] | Sequence[str | PathLike[str]],
    /,
    *,
    dataset: str = "fashion-mnist",
    resize: Literal["crop", "stretch", "larq-zoo"] | None = None,
    normalize: str | None = None,
    images: int | None = None,
    reference_images: int | Literal["all"] | None = None,
    seed: int = 0,
    shape: str | Sequence[str] = (),
    device: str | Sequence[str] = "local",
    any: int | None = None,
    all: bool = False,
    engine: str | Sequence[str] = "native",
    threads: int = 1,
    invocations: int = 7,
    store: str | PathLike[str] | None = None,
    inventory: str | PathLike[str] | None = None,
    lab: str | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Run:
    """Measures the accuracy and the latency of models on labelled images.

    Does the same as `bnnbench eval`, with its options as arguments.

    Args:
        models: Models, one or several: `.tflite` files, or names of shipped ones.
        dataset: Labelled images: a name, an `.npz` file, or a folder of `.npy`, or of JPEG and PNG files.
        resize: Resizing of a folder's images: "crop", "stretch" or "larq-zoo"; default: none.
        normalize: Scaling of their values: "[-1,1]", "[0,1]", "[0,255]", "imagenet", or "mean=0.5 std=0.25".
        images: Number of images, drawn with the seed; default: all.
        reference_images: Images to check against the reference, or "all"; default: as
            many as take a minute, at least 100.
        seed: Seed for drawing images.
        shape: Shapes of inputs whose sizes the models leave open: "1x224x224x3", or "NAME=1x224x224x3" for each.
        device: Names of the inventory, pools, queries such as "soc=bcm2712", `local`, or addresses such as
            `ssh://pi@pi4.lab`.
        any: Take this many free devices, of those that `device` names, else of the inventory or lab.
        all: Take every device that is not quarantined, of those that `device` names, else of the inventory or lab.
        engine: Engines, one or several.
        threads: Number of threads, one per core.
        invocations: Fresh processes per model for its latency; 0: accuracy only.
        store: Folder of stored runs; default: `runs` in the project.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        lab: Address of the lab that has the devices, such as "tls://lab.local:8786".
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The stored run; its frame has the columns `accuracy`, `accuracy_low` and `accuracy_high`, shares of 1.

    Raises:
        CallError: An argument, a model or the dataset is wrong.
        MeasureError: Nothing could be measured.
        KeyboardInterrupt: The run was interrupted; the message has the command that finishes it.

    Example:
        >>> import bnnbench as bnn
        >>> run = bnn.evaluate("quicknet_xs", images=100, invocations=0, store="results")
        >>> int(run.frame["accuracy_n"].iloc[0])
        100
    """
    from ..errors import CallError
    from ..tasks.measure import evaluate_models

    if reference_images is not None and reference_images != "all" and reference_images < 1:
        raise CallError(f"--reference-images {str(reference_images)!r} is neither a number from 1 nor all.")
    if threads < 1:
        raise CallError("--threads and --images are at least 1.")
    prepared = {"resize": resize, "normalize": normalize}
    asked = {"dataset": dataset, **prepared, "images": images, "reference_images": reference_images, "seed": seed}
    options = {
        "shape": names(shape) or None,
        "device": device,
        "any": any,
        "all": all,
        "engine": engine,
        "store": store,
        "inventory": inventory,
        "lab": lab,
    }
    words = command("evaluate", models, {**asked, "threads": threads, "invocations": invocations, **options})
    with calling(words, progress, store, device, inventory, threads, lab=lab, any=any, all=all) as call:
        done = evaluate_models(
            call,
            [str(model) for model in paths(models)],
            dataset=dataset,
            resize=resize,
            normalize=normalize,
            images=images,
            reference_images=reference_images,
            seed=seed,
            engines=names(engine),
            invocations=invocations,
            shapes=names(shape),
        )
    return run_of(done, call.store)


@contextmanager
def calling(
    said: Sequence[str],
    progress: bool,
    store: str | PathLike[str] | None,
    device: str | Sequence[str],
    inventory: str | PathLike[str] | None,
    threads: int | str | Sequence[int] | None = None,
    filter: str | None = None,
    *,
    lab: str | None = None,
    any: int | None = None,
    all: bool = False,
) -> "Iterator[Call]":
    """The call that `said` repeats, with progress if it is asked for. Raises harness.errors.CallError."""
    from ..cli.words import pattern
    from ..tasks.measure import Call

    known, results = (counts(threads), pattern(filter)), opened(store)
    if (any is not None or all) and device == "local":  # the default
        device = ()
    with watched(progress) as watcher:
        yield Call(results, watcher, said, names(device), path_of(inventory), *known, lab, any, all)
