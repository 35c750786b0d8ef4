"""What a program is: types, graphs, primitives, checker, printer and parser."""

from lamella.ir import primitives as primitives
from lamella.ir.builder import Builder as Builder
from lamella.ir.check import check as check
from lamella.ir.conv_specs import grouped_conv_spec as grouped_conv_spec
from lamella.ir.conv_specs import transposed_conv_spec as transposed_conv_spec
from lamella.ir.core import Atom as Atom
from lamella.ir.core import Eqn as Eqn
from lamella.ir.core import Graph as Graph
from lamella.ir.core import Literal as Literal
from lamella.ir.core import Primitive as Primitive
from lamella.ir.core import Sample as Sample
from lamella.ir.core import Source as Source
from lamella.ir.core import Var as Var
from lamella.ir.primitives.contract import ContractSpec as ContractSpec
from lamella.ir.primitives.contract import conv_spec as conv_spec
from lamella.ir.primitives.contract import einsum_spec as einsum_spec
from lamella.ir.primitives.contract import matmul_spec as matmul_spec
from lamella.ir.registry import PRIMITIVES as PRIMITIVES
from lamella.ir.text import format_graph as format_graph
from lamella.ir.text import parse_graph as parse_graph
from lamella.ir.types import TensorType as TensorType
from lamella.ir.types import dtype_name as dtype_name
from lamella.ir.types import numpy_dtype as numpy_dtype
