"""How many pairs show a difference, and which difference a number of pairs shows.

The Hodges-Lehmann estimate of n pairs whose differences have the scale sigma has the standard error
sigma / sqrt(0.955 n), 0.955 = 3 / pi being the efficiency of signed ranks for normal differences; heavier tails are
better. A shift delta passes a two-sided test at alpha with probability Phi(delta / error - z(1 - alpha / 2)).

J. L. Hodges and E. L. Lehmann, "The efficiency of some nonparametric competitors of the t-test", Annals of Mathematical
Statistics 27 (1956), 324-335; G. E. Noether, "Sample size determination for some common nonparametric tests", Journal
of the American Statistical Association 82 (1987), 645-647.
"""

import math
from statistics import NormalDist

_EFFICIENCY = 3 / math.pi
_NORMAL = NormalDist()


def standard_error(sigma: float, pairs: int) -> float:
    """Of the Hodges-Lehmann estimate, in the unit of `sigma`."""
    return sigma / math.sqrt(_EFFICIENCY * pairs)


def passes(shift: float, sigma: float, pairs: int, alpha: float, least: float = 0.0) -> float:
    """Probability that a true `shift` (> 0) is found at `alpha` (two-sided) with an estimate of at least `least`."""
    error = standard_error(sigma, pairs)
    threshold = max(_NORMAL.inv_cdf(1 - alpha / 2) * error, least)
    if error == 0:
        return float(shift >= least)
    return _NORMAL.cdf((shift - threshold) / error)


def pairs_needed(shift: float, sigma: float, alpha: float, power: float) -> int:
    """Pairs with which a true `shift` is found at `alpha` (two-sided) with probability `power`.

    Three more than the formula's, which is too hopeful for few; never fewer than can be significant at all: n pairs of
    one sign have a p of 2 / 2^n. Raises ValueError for a shift that is not above 0.
    """
    if not shift > 0:
        raise ValueError("the shift to be found must be more than 0")
    z = _NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)
    least = math.ceil(math.log2(2 / alpha)) + 1
    return max(least, math.ceil((z * sigma / shift) ** 2 / _EFFICIENCY) + 3)
