"""The engine: how a graph runs on arrays."""
