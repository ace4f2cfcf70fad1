"""Where a model's time goes: `bnnbench.profile`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .error import raises_sentences
from .words import names, path_of, teller, waits

if TYPE_CHECKING:
    import pandas as pd

    from ..tasks.profile import ModelProfile


@dataclass(frozen=True)
class Profile:
    """A model's steps on a device, timed.

    Attributes:
        model: Its name, or its file.
        device: Where it ran.
        total_ns: Median time of the whole inference, in ns.
        trust: Trust in the times of this device: high, medium or low.
        doubts: Reasons that lower the trust, a word each.
        roof_ns: The steps' roofs added up: the least time that they allow, in ns; None if no roof was measured.
        roof_share: `roof_ns / total_ns`.
    """

    model: str
    device: str
    total_ns: float
    trust: str
    doubts: tuple[str, ...]
    roof_ns: float | None
    roof_share: float | None
    _measured: "ModelProfile" = field(repr=False)

    @property
    def frame(self) -> "pd.DataFrame":
        """A row per step of the plan: `name`, `op`, `kernel`, `time_ns` with its interval, and more.

        `share` is of the total time; `roof` is the roof that limits the step, and `roof_share` how close it
        comes (1 is the roof): `roof_ns / time_ns`. `over_roof_ns` is the time beyond the roof. Each counter that was
        asked for and counted is a column.
        """
        from dataclasses import asdict

        import pandas as pd

        rows = [{**asdict(op), **(op.counters or {})} for op in self._measured.ops]
        return pd.DataFrame(rows).drop(columns=["counters", "roofs_ns"]).convert_dtypes()

    @property
    def beside(self) -> "pd.DataFrame":
        """A row for each group of ops that no engine of `engine` separates, in the order of the file.

        `name`, `ops` (their numbers in the file), and a column for each engine with its time in ns, `native` first;
        missing where an engine has no time for them.
        """
        import pandas as pd

        engines = ["native", *(other.engine for other in self._measured.others)]
        rows = [
            {"name": group.name, "ops": group.ops, **dict(zip(engines, group.times_ns, strict=True))}
            for group in self._measured.side_by_side
        ]
        return pd.DataFrame(rows, columns=["name", "ops", *engines])

    @raises_sentences
    def roofline(self, path: str | PathLike[str], /) -> Path:
        """Draws the steps against the device's roofs, into a .pdf, .svg or .png; returns its path. Raises CallError."""
        from ..tasks.roofline import require_format, save_roofline

        require_format(Path(path))
        save_roofline(self._measured, self.model, self.device, Path(path))
        return Path(path)

    @raises_sentences
    def trace(self, path: str | PathLike[str], /) -> Path:
        """Writes the steps as a trace for Chrome or Perfetto; returns its path. Raises MeasureError."""
        from ..tasks.profile import save_trace

        save_trace(self._measured, self.model, self.device, Path(path))
        return Path(path)

    def _repr_html_(self) -> str:
        return str(
            self.frame[["name", "op", "time_ns", "share", "gops", "roof", "roof_share", "over_roof_ns"]].to_html()
        )


@raises_sentences
@waits
def profile(
    model: str | PathLike[str],
    /,
    *,
    device: str = "local",
    threads: int = 1,
    runs: int = 50,
    shape: str | Sequence[str] = (),
    engine: str | Sequence[str] = (),
    counters: str | None = None,
    inventory: str | PathLike[str] | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Profile:
    """Times every step of a model on the native engine: its share, its speed, and how close it is to the roof.

    Does the same as `bnnbench profile`; its options `--trace` and `--roofline` are methods of the result.

    Args:
        model: A `.tflite` or `.onnx` file, or the name of a shipped model.
        device: A name of the inventory, `local`, or an address such as `ssh://pi@pi4.lab`.
        threads: Number of threads, one per core.
        runs: Number of timed runs.
        shape: Shapes of inputs whose sizes the file leaves open: "1x224x224x3", or "NAME=1x224x224x3" for each.
        engine: Other engines whose ops are timed too: `litert`, `lce` or `lce-indirect`; for `.onnx` files
            `onnxruntime`. See `Profile.beside`.
        counters: Counters to read in each step, such as "cycles,instructions"; on one thread.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The profile; its `frame` has a row per step.

    Raises:
        CallError: An argument or the model is wrong.
        MeasureError: The device or the engine failed, or the device is emulated.

    Example:
        >>> import bnnbench as bnn
        >>> steps = bnn.profile("quicknet_xs", runs=5).frame
        >>> bool((steps["time_ns"] > 0).all())
        True
    """
    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.profile import counter_names
    from ..tasks.profile import profile as measure

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    done = measure(
        model_path(str(model), Path()),
        device=device,
        inventory=path_of(inventory),
        threads=threads,
        runs=runs,
        tell=teller(progress),
        shapes=names(shape),
        counters=counter_names(counters),
        engines=names(engine),
    )
    return Profile(
        Path(model).name, device, done.total_ns, done.trust, done.doubts, done.roof_ns, done.roof_share, done
    )
