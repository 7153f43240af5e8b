"""Tensor networks, their derivatives, and the cheapest program for all of them together.

>>> import tensorgrad_eg as tg
>>> A, x, y = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"]), tg.Variable("y", ["i"])
>>> loss = ((A @ x - y) ** 2).sum()
>>> print(loss.grad(x).simplify())
2 Σ_i (Σ_k_ A[i,k_] x[k_] - y[i]) A[i,k]
"""

from tensorgrad_eg import assume as assume
from tensorgrad_eg import functions as functions
from tensorgrad_eg.api import check_rules as check_rules
from tensorgrad_eg.api import load_rules as load_rules
from tensorgrad_eg.api import optimize as optimize
from tensorgrad_eg.api import simplify as simplify
from tensorgrad_eg.diagram import draw as _draw
from tensorgrad_eg.emit import Structured as Structured
from tensorgrad_eg.errors import TensorgradError as TensorgradError
from tensorgrad_eg.expr import Derivative as Derivative
from tensorgrad_eg.expr import Tensor as Tensor
from tensorgrad_eg.expr import Variable as Variable
from tensorgrad_eg.expr import delta as delta
from tensorgrad_eg.expr import einsum as einsum
from tensorgrad_eg.expr import gradients as gradients
from tensorgrad_eg.expr import hessian as hessian
from tensorgrad_eg.expr import hvp as hvp
from tensorgrad_eg.expr import jacobian as jacobian
from tensorgrad_eg.expr import jvp as jvp
from tensorgrad_eg.expr import parse as parse
from tensorgrad_eg.expr import vjp as vjp
from tensorgrad_eg.expr.tensor import METHODS as _METHODS
from tensorgrad_eg.plan import Plan as Plan
from tensorgrad_eg.plan import load as load

_METHODS.simplify, _METHODS.draw = simplify, _draw
