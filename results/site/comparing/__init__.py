"""What the compare pages show: pairs of stored runs, engines or devices, and the verdicts of comparisons."""
