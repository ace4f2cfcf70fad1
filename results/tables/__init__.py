"""What a run comes to as Arrow tables, and the Parquet files of an ended run."""
