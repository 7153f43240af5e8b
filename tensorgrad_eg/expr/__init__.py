"""Expressions: tensors with named edges, and what one can build from them.

>>> from tensorgrad_eg.expr import *
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> eval(repr(A @ x)) is A @ x
True
"""

from tensorgrad_eg.expr import build as _build
from tensorgrad_eg.expr import functions as _functions
from tensorgrad_eg.expr import printing as _printing
from tensorgrad_eg.expr import walk as _walk
from tensorgrad_eg.expr.arrays import POINTWISE as POINTWISE
from tensorgrad_eg.expr.arrays import Pointwise as Pointwise
from tensorgrad_eg.expr.build import add as add
from tensorgrad_eg.expr.build import as_tensor as as_tensor
from tensorgrad_eg.expr.build import einsum as einsum
from tensorgrad_eg.expr.build import gradients as gradients
from tensorgrad_eg.expr.build import hessian as hessian
from tensorgrad_eg.expr.build import hvp as hvp
from tensorgrad_eg.expr.build import jacobian as jacobian
from tensorgrad_eg.expr.build import jvp as jvp
from tensorgrad_eg.expr.build import scale as scale
from tensorgrad_eg.expr.build import vjp as vjp
from tensorgrad_eg.expr.compound import Add as Add
from tensorgrad_eg.expr.compound import Apply as Apply
from tensorgrad_eg.expr.compound import Contract as Contract
from tensorgrad_eg.expr.compound import Derivative as Derivative
from tensorgrad_eg.expr.compound import Entrywise as Entrywise
from tensorgrad_eg.expr.compound import Fibre as Fibre
from tensorgrad_eg.expr.compound import LogSumExp as LogSumExp
from tensorgrad_eg.expr.compound import MatrixFunction as MatrixFunction
from tensorgrad_eg.expr.compound import Polygamma as Polygamma
from tensorgrad_eg.expr.compound import Power as Power
from tensorgrad_eg.expr.compound import Reduce as Reduce
from tensorgrad_eg.expr.compound import Rename as Rename
from tensorgrad_eg.expr.compound import Scale as Scale
from tensorgrad_eg.expr.compound import Softmax as Softmax
from tensorgrad_eg.expr.compound import Tangent as Tangent
from tensorgrad_eg.expr.leaves import Constant as Constant
from tensorgrad_eg.expr.leaves import Delta as Delta
from tensorgrad_eg.expr.leaves import Extent as Extent
from tensorgrad_eg.expr.leaves import Number as Number
from tensorgrad_eg.expr.leaves import Variable as Variable
from tensorgrad_eg.expr.leaves import brief as brief
from tensorgrad_eg.expr.leaves import delta as delta
from tensorgrad_eg.expr.leaves import extent as extent
from tensorgrad_eg.expr.parser import parse as parse
from tensorgrad_eg.expr.parser import size_symbols as size_symbols
from tensorgrad_eg.expr.tensor import METHODS as METHODS
from tensorgrad_eg.expr.tensor import Size as Size
from tensorgrad_eg.expr.tensor import Tensor as Tensor
from tensorgrad_eg.expr.tensor import derivative_names as derivative_names
from tensorgrad_eg.expr.tensor import fresh as fresh
from tensorgrad_eg.expr.tensor import rational as rational
from tensorgrad_eg.expr.walk import children as children
from tensorgrad_eg.expr.walk import made as made
from tensorgrad_eg.expr.walk import operation as operation
from tensorgrad_eg.expr.walk import postorder as postorder
from tensorgrad_eg.expr.walk import variables as variables

METHODS.build = _build
METHODS.sum, METHODS.mean = _functions.sum, _functions.mean
METHODS.derivative = Derivative
METHODS.text = _printing.blackboard
METHODS.source, METHODS.rows, METHODS.unpickle = _walk.source, _walk.rows, _walk.unpickle
