"""SQL over a store, by DuckDB: the extra `bnnbench[query]`."""
