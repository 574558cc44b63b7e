"""Tables of databases: forecasts written in one transaction, rows read by a query; SQLite, DuckDB, PostgreSQL."""
