"""What makes a model slow or large: `bnnbench.lint`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .error import raises_sentences
from .words import names, path_of, teller, waits

if TYPE_CHECKING:
    import pandas as pd

    from ..tasks.lint import Lint as Linted


@dataclass(frozen=True)
class Lint:
    """Findings of a model, those that cost most first.

    Attributes:
        model: Its name, or its file.
        device: Where costs were measured; None where they are estimated.
        unit: Of costs: `ns`, or `MACs` (multiply-accumulates of floats) without a device.
        total: Cost of one inference, in this unit.
        file_bytes: Size of the file.
        ids: The ids of the findings.
        trust: Trust in the times of the device: high, medium or low; empty without a device.
        doubts: Reasons that lower the trust, a word each.
    """

    model: str
    device: str | None
    unit: str
    total: float
    file_bytes: int
    ids: tuple[str, ...]
    trust: str
    doubts: tuple[str, ...]
    _found: "Linted" = field(repr=False)

    @property
    def frame(self) -> "pd.DataFrame":
        """A row per place of each finding: `id`, `op` and its `name`, `detail`, `cost` and `file_bytes` of the place.

        `cost_share`, `file_share` and `share` (the larger of both) are of the whole finding, `title` and `mend` are
        its sentences.
        """
        from dataclasses import asdict

        import pandas as pd

        columns = (
            "id",
            "op",
            "name",
            "detail",
            "cost",
            "file_bytes",
            "cost_share",
            "file_share",
            "share",
            "title",
            "mend",
        )
        rows = [{**asdict(finding), **asdict(place)} for finding in self._found.findings for place in finding.places]
        return pd.DataFrame(rows, columns=list(columns)).convert_dtypes()

    @raises_sentences
    def failing(self, fail_on: str, /) -> list[str]:
        """The ids that `--fail-on` would fail on: `none`, `any`, an id, or a share such as `10%`. Raises CallError."""
        from ..tasks.lint import condition

        return [finding.id for finding in self._found.failing(condition(fail_on))]

    def _repr_html_(self) -> str:
        return str(self.frame[["id", "op", "name", "detail", "cost", "file_bytes", "share"]].to_html())


@raises_sentences
@waits
def lint(
    model: str | PathLike[str],
    /,
    *,
    device: str | None = None,
    threads: int = 1,
    runs: int = 50,
    shape: str | Sequence[str] = (),
    inventory: str | PathLike[str] | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> Lint:
    """Finds what makes a model slower or its file larger than it has to be, and what mending each would save.

    Does the same as `bnnbench model lint`.

    Args:
        model: A `.tflite` or `.onnx` file, or the name of a shipped model.
        device: Where to measure costs: a name of the inventory, `local`, or an address such as `ssh://pi@pi4.lab`.
            Without it nothing is measured, and costs are estimated in multiply-accumulates.
        threads: Number of threads, one per core.
        runs: Number of timed runs.
        shape: Shapes of inputs whose sizes the file leaves open: "1x224x224x3", or "NAME=1x224x224x3" for each.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The findings; its `frame` has a row per place.

    Raises:
        CallError: An argument or the model is wrong.
        MeasureError: The device or the engine failed, or the device is emulated.

    Example:
        >>> import bnnbench as bnn
        >>> bnn.lint("quicknet_m_zero_padded").ids
        ('zero-padding', 'float-weights')
    """
    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.lint import lint as find

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    done = find(
        model_path(str(model), Path()),
        device=device,
        inventory=path_of(inventory),
        threads=threads,
        runs=runs,
        shapes=names(shape),
        tell=teller(progress),
    )
    ids = tuple(finding.id for finding in done.findings)
    name = Path(model).name
    return Lint(name, device, done.unit, done.total, done.file_bytes, ids, done.trust, done.doubts, done)
