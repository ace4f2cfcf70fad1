"""Pure mathematics, one estimator per file, with its formula and citation on top."""
