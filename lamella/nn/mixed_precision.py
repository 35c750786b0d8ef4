"""`keras.mixed_precision`: the dtype policies and the optimizer that scales losses, under their older names too."""

from lamella.nn.dtype_policy import DTypePolicy as DTypePolicy
from lamella.nn.dtype_policy import dtype_policy as dtype_policy
from lamella.nn.dtype_policy import set_dtype_policy as set_dtype_policy
from lamella.nn.optimizers.loss_scale import LossScaleOptimizer as LossScaleOptimizer

Policy = DTypePolicy
global_policy, set_global_policy = dtype_policy, set_dtype_policy
