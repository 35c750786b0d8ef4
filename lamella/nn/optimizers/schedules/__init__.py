"""Learning rates as functions of the step number, computed inside of the compiled step."""

from lamella.nn.optimizers.schedules.base import SCHEDULES, LearningRateSchedule
from lamella.nn.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from lamella.nn.optimizers.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

get, serialize, deserialize = SCHEDULES.get, SCHEDULES.serialize, SCHEDULES.deserialize

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule",
    "PiecewiseConstantDecay", "PolynomialDecay", "SCHEDULES", "deserialize", "get", "serialize",
]
