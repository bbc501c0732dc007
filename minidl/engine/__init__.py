"""The engine: how a graph runs on arrays."""

MOST_WORKERS = 256
"""More are taken for a mistake."""
