"""Read files as series in memory, and write tables to files.

pyarrow, duckdb, psycopg and fsspec are imported at the top only of modules that are loaded when a file or a database of
their kind is opened (`FORMATS`, `session_class`). Elsewhere they are imported inside functions: `--help`, the import of
the package and the inputs that do not need them stay quick.
"""
