"""What user code touches: tensors, variables, tapes, functions and the tracing beneath them."""

from lamella.frontend import arithmetic as arithmetic
from lamella.frontend import indexing as indexing
from lamella.frontend import random as random
from lamella.frontend.binding import bind as bind
from lamella.frontend.binding import cast as cast
from lamella.frontend.binding import convert_to_tensor as convert_to_tensor
from lamella.frontend.binding import promote as promote
from lamella.frontend.compiled import Function as Function
from lamella.frontend.compiled import function as function
from lamella.frontend.dtypes import result_type as result_type
from lamella.frontend.dtypes import standardize_dtype as standardize_dtype
from lamella.frontend.state import init_scope as init_scope
from lamella.frontend.state import is_tracing as is_tracing
from lamella.frontend.state import name_scope as name_scope
from lamella.frontend.tape import GradientTape as GradientTape
from lamella.frontend.tape import stop_gradient as stop_gradient
from lamella.frontend.tensor import Tensor as Tensor
from lamella.frontend.tensor import TensorLike as TensorLike
from lamella.frontend.tracing import TensorSpec as TensorSpec
from lamella.frontend.tracing import Trace as Trace
from lamella.frontend.tracing import Traced as Traced
from lamella.frontend.tracing import spec_of as spec_of
from lamella.frontend.tracing import trace as trace
from lamella.frontend.value_checks import check_values as check_values
from lamella.frontend.variable import Variable as Variable
