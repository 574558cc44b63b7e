"""Bytes of local files, pipes and URLs, decompressed and decoded to UTF-8."""
