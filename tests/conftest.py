"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no error.
settings.register_profile("minidl", deadline=None)
settings.load_profile("minidl")
