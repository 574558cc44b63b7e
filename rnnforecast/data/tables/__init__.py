"""CSV and Parquet files as tables whose columns are parsed on demand."""
