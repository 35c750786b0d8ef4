"""Layers that prepare images and vary them at random."""

from lamella.nn.layers.image.affine import RandomRotation, RandomShear, RandomTranslation, RandomZoom
from lamella.nn.layers.image.color import RandomGrayscale, RandomHue, RandomSaturation
from lamella.nn.layers.image.cropping import CenterCrop, RandomCrop
from lamella.nn.layers.image.erasing import RandomErasing
from lamella.nn.layers.image.flip import RandomFlip
from lamella.nn.layers.image.light import AutoContrast, RandomBrightness, RandomContrast, RandomInvert, Solarization
from lamella.nn.layers.image.pipeline import Pipeline
from lamella.nn.layers.image.resizing import Resizing

__all__ = [
    "AutoContrast", "CenterCrop", "Pipeline", "RandomBrightness", "RandomContrast", "RandomCrop", "RandomErasing", "RandomFlip",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomRotation", "RandomSaturation", "RandomShear", "RandomTranslation",
    "RandomZoom", "Resizing", "Solarization",
]
