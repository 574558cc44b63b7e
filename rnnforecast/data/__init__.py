"""From a file to series in memory, and from a table to a file: the only wing that knows pandas."""
