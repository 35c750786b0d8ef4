"""Losses, as functions of per-sample values and as classes that reduce them, with the names of `keras.losses`."""

from lamella.nn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from lamella.nn.losses.ctc import CTC, ctc
from lamella.nn.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from lamella.nn.losses.generalized import CategoricalGeneralizedCrossEntropy, categorical_generalized_cross_entropy
from lamella.nn.losses.loss import LOSSES, Loss, LossFunctionWrapper, as_loss
from lamella.nn.losses.overlap import Dice, Tversky, dice, tversky
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
from lamella.nn.losses.similarity import Circle, circle

bce = BCE = binary_crossentropy
get, serialize, deserialize = LOSSES.get, LOSSES.serialize, LOSSES.deserialize

__all__ = [
    "BCE", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CTC", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "CategoricalHinge", "Circle",
    "CosineSimilarity", "Dice", "Hinge", "Huber", "KLD", "KLDivergence", "LOSSES", "LogCosh", "Loss",
    "LossFunctionWrapper", "MAE", "MAPE", "MSE", "MSLE", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
    "Tversky", "as_loss", "bce", "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
    "categorical_focal_crossentropy", "categorical_generalized_cross_entropy", "categorical_hinge", "circle",
    "cosine_similarity", "ctc", "deserialize", "dice", "get", "hinge", "huber", "kl_divergence", "kld", "log_cosh",
    "logcosh", "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "reduce_weighted", "serialize",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]
