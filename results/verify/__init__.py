"""Whether what a store holds is what was written: every line, document, Parquet page and file. Nothing is changed."""
