"""Augmentation of images: arrays in, changed arrays out, by (seed, epoch, sample) alone."""

from __future__ import annotations

from minidl.augment.affine import Rotate, Shear, Shift, Zoom
from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.compose import Compose, Sometimes, compose
from minidl.augment.elastic import Elastic
from minidl.augment.mixup import Mixup
from minidl.augment.places import Crop, Cutout, Flip
from minidl.augment.tones import Brightness, Contrast, Noise

__all__ = [
    "Shift",
    "Rotate",
    "Zoom",
    "Shear",
    "Elastic",
    "Flip",
    "Crop",
    "Cutout",
    "Brightness",
    "Contrast",
    "Noise",
    "Mixup",
    "Compose",
    "Sometimes",
    "compose",
    "Augmentation",
    "Draw",
]
