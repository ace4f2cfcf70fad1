"""Where a logarithmic axis has its ticks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis

# Over less than this, powers of ten alone would leave one or two ticks.
_SHORT = 150.0


def decades(axis: "Axis", extent: float) -> None:
    """Ticks at powers of ten, and at 2 and 5 times them where the largest figure is a small multiple
    (`extent`) of the smallest."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if extent < _SHORT else (1.0,)))
