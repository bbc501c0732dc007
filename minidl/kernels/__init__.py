"""Kernels: plain functions from arrays to arrays, each beside its adjoint.

They know shapes and nothing else: no state, no flags, no randomness. Images are ``(N, H, W, C)``,
convolution weights ``(kh, kw, C, F)``, dense weights ``(in, out)``.
"""

from __future__ import annotations
