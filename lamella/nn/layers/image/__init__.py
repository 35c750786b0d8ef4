"""Layers that prepare images and vary them at random."""

from lamella.nn.layers.image.affine import RandomRotation, RandomShear, RandomTranslation, RandomZoom
from lamella.nn.layers.image.color import RandomColorDegeneration, RandomColorJitter, RandomGrayscale, RandomHue, RandomSaturation
from lamella.nn.layers.image.cropping import CenterCrop, RandomCrop
from lamella.nn.layers.image.erasing import RandomErasing
from lamella.nn.layers.image.filters import RandomGaussianBlur, RandomSharpness
from lamella.nn.layers.image.flip import RandomFlip
from lamella.nn.layers.image.levels import ContrastLimitedAdaptiveHistogramEqualization, Equalization, RandomPosterization
from lamella.nn.layers.image.light import AutoContrast, RandomBrightness, RandomContrast, RandomInvert, Solarization
from lamella.nn.layers.image.mixing import CutMix, MixUp
from lamella.nn.layers.image.pipeline import Pipeline
from lamella.nn.layers.image.policies import AugMix, RandAugment
from lamella.nn.layers.image.resizing import Resizing
from lamella.nn.layers.image.warping import RandomElasticTransform, RandomPerspective

__all__ = [
    "AugMix", "AutoContrast", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization", "MixUp",
    "Pipeline", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
    "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue",
    "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness",
    "RandomShear", "RandomTranslation", "RandomZoom", "Resizing", "Solarization",
]
