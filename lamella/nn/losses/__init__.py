"""Losses, as functions of per-sample values and as classes that reduce them, with the names of `keras.losses`."""

from lamella.nn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from lamella.nn.losses.loss import LOSSES, Loss, LossFunctionWrapper, as_loss
from lamella.nn.losses.probabilistic import (
    KLD,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Poisson,
    SquaredHinge,
    categorical_hinge,
    hinge,
    kl_divergence,
    kld,
    poisson,
    squared_hinge,
)
from lamella.nn.losses.reduction import reduce_weighted
from lamella.nn.losses.regression import (
    MAE,
    MAPE,
    MSE,
    MSLE,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
)
from lamella.nn.losses.robust import CosineSimilarity, Huber, LogCosh, cosine_similarity, huber, log_cosh, logcosh

bce = BCE = binary_crossentropy
get, serialize, deserialize = LOSSES.get, LOSSES.serialize, LOSSES.deserialize

__all__ = [
    "BCE", "KLD", "LOSSES", "MAE", "MAPE", "MSE", "MSLE", "BinaryCrossentropy", "CategoricalCrossentropy",
    "CategoricalHinge", "CosineSimilarity", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "LossFunctionWrapper",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "SparseCategoricalCrossentropy", "SquaredHinge", "as_loss", "bce", "binary_crossentropy",
    "categorical_crossentropy", "categorical_hinge", "cosine_similarity", "deserialize", "get", "hinge", "huber",
    "kl_divergence", "kld", "log_cosh", "logcosh", "mae", "mape", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "mse", "msle", "poisson",
    "reduce_weighted", "serialize", "sparse_categorical_crossentropy", "squared_hinge",
]
