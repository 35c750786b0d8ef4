"""Loaders of small data sets: arrays as they were published, uint8 images and class numbers.

>>> from lamella import datasets
>>> sorted(datasets.__all__)
['fashion_mnist', 'mnist']
"""

from lamella.datasets import fashion_mnist, mnist

__all__ = ["fashion_mnist", "mnist"]
