"""Whether one side's pairs were dropped more often than the other's.

If throttling hit both sides alike, each drop would be due to either with probability 1/2: the two-sided binomial test
(C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), 404-413, for its interval).
"""


def imbalance_p(base: int, head: int) -> float:
    """How likely a split of `base` to `head` drops, or one more uneven, is by chance; 1.0 without drops."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(base, head), base + head, 0.5)))
