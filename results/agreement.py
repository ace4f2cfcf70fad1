"""How many predictions are the reference's, in words; of a sample also what that says of all."""

from bnnbench.results.statistics.proportion import proportion_interval


def agreement(differing: int, compared: int, images: int) -> str:
    """`all`, `all but 3`, or of a sample `297 of 300`."""
    if compared < images:
        return f"{compared - differing:,} of {compared:,}"
    return "all" if not differing else f"all but {differing:,}"


def sample_sentence(differing: int, compared: int, images: int, seed: int) -> str | None:
    """What the sample was, and the 95 % interval (Wilson) of the share of all images that are alike; None where all
    were compared."""
    if compared >= images:
        return None
    low, high = proportion_interval(compared - differing, compared)
    return (
        f"compared with the reference on {compared:,} of {images:,} images (a sample drawn with seed {seed}): "
        f"{compared - differing:,} alike, so {low * 100:.1f} to {high * 100:.1f} % of all are (95 %)"
    )
