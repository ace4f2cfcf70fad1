"""One case on a ready device: its gate, an invocation, its accuracy. Each gives one record."""
