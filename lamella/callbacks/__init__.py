"""Callbacks: objects that `fit`, `evaluate` and `predict` call at fixed points."""

from lamella.callbacks.callback import Callback as Callback
from lamella.callbacks.callback_list import CallbackList as CallbackList
from lamella.callbacks.csv_logger import CSVLogger as CSVLogger
from lamella.callbacks.early_stopping import EarlyStopping as EarlyStopping
from lamella.callbacks.history import History as History
from lamella.callbacks.lambda_callback import LambdaCallback as LambdaCallback
from lamella.callbacks.learning_rate_scheduler import LearningRateScheduler as LearningRateScheduler
from lamella.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
from lamella.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
from lamella.callbacks.tensorboard import TensorBoard as TensorBoard
from lamella.callbacks.terminate_on_nan import TerminateOnNaN as TerminateOnNaN
