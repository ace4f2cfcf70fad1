"""Where a logarithmic axis has its ticks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis

# Over less than this, powers of ten alone would leave one or two ticks; narrow figures have room for fewer.
_SHORT, _SHORT_NARROW = 150.0, 15.0


def decades(axis: "Axis", extent: float, width: float) -> None:
    """Ticks at powers of ten, and at 2 and 5 times them where the largest figure is a small multiple (`extent`)
    of the smallest; `width` is the figure's in inches."""
    from matplotlib.ticker import LogLocator

    short = _SHORT if width >= 6.0 else _SHORT_NARROW
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if extent < short else (1.0,)))
