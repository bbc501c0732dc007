"""The doctor: what is wrong with a model, its data and its first steps, each with the fix."""

from __future__ import annotations

from minidl.doctor.examination import doctor
from minidl.doctor.finding import Finding

__all__ = ["Finding", "doctor"]
