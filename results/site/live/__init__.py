"""The site, rendered when it is asked for: what `bnnbench serve` serves."""
