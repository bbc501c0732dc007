"""Planned kernels: the hot modules bound to the size of a shard, in memory laid out before.

``Module.forward`` stays the specification; the tests hold each op here to it, to rounding.
"""
