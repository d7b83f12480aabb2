"""Production batches: Parquet in, arrays out."""
