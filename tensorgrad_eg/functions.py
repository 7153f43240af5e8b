"""The functions, for `from tensorgrad_eg import functions as F`: see `docs/functions.md`.

>>> import tensorgrad_eg.functions as F
>>> from tensorgrad_eg.expr import Variable
>>> print(F.softmax(Variable("z", ["k"]), "k"))
softmax(z[k], k)
"""

from tensorgrad_eg.errors import MissingFunctionError as _MissingFunctionError
from tensorgrad_eg.expr.calls import FUNCTIONS as _FUNCTIONS
from tensorgrad_eg.expr.choices import amax as amax
from tensorgrad_eg.expr.choices import amin as amin
from tensorgrad_eg.expr.choices import clip as clip
from tensorgrad_eg.expr.choices import elu as elu
from tensorgrad_eg.expr.choices import equal as equal
from tensorgrad_eg.expr.choices import greater as greater
from tensorgrad_eg.expr.choices import greater_equal as greater_equal
from tensorgrad_eg.expr.choices import huber as huber
from tensorgrad_eg.expr.choices import less as less
from tensorgrad_eg.expr.choices import less_equal as less_equal
from tensorgrad_eg.expr.choices import max as max
from tensorgrad_eg.expr.choices import maximum as maximum
from tensorgrad_eg.expr.choices import min as min
from tensorgrad_eg.expr.choices import minimum as minimum
from tensorgrad_eg.expr.choices import not_equal as not_equal
from tensorgrad_eg.expr.choices import prod as prod
from tensorgrad_eg.expr.choices import prod_others as prod_others
from tensorgrad_eg.expr.choices import where as where
from tensorgrad_eg.expr.elementary import abs as abs
from tensorgrad_eg.expr.elementary import arccos as arccos
from tensorgrad_eg.expr.elementary import arcsin as arcsin
from tensorgrad_eg.expr.elementary import arctan as arctan
from tensorgrad_eg.expr.elementary import cos as cos
from tensorgrad_eg.expr.elementary import cosh as cosh
from tensorgrad_eg.expr.elementary import digamma as digamma
from tensorgrad_eg.expr.elementary import erf as erf
from tensorgrad_eg.expr.elementary import exp as exp
from tensorgrad_eg.expr.elementary import expm1 as expm1
from tensorgrad_eg.expr.elementary import gelu as gelu
from tensorgrad_eg.expr.elementary import leaky_relu as leaky_relu
from tensorgrad_eg.expr.elementary import lgamma as lgamma
from tensorgrad_eg.expr.elementary import log as log
from tensorgrad_eg.expr.elementary import log1p as log1p
from tensorgrad_eg.expr.elementary import logsigmoid as logsigmoid
from tensorgrad_eg.expr.elementary import pi as pi
from tensorgrad_eg.expr.elementary import polygamma as polygamma
from tensorgrad_eg.expr.elementary import power as power
from tensorgrad_eg.expr.elementary import relu as relu
from tensorgrad_eg.expr.elementary import sigmoid as sigmoid
from tensorgrad_eg.expr.elementary import sign as sign
from tensorgrad_eg.expr.elementary import silu as silu
from tensorgrad_eg.expr.elementary import sin as sin
from tensorgrad_eg.expr.elementary import sinh as sinh
from tensorgrad_eg.expr.elementary import softplus as softplus
from tensorgrad_eg.expr.elementary import sqrt as sqrt
from tensorgrad_eg.expr.elementary import step as step
from tensorgrad_eg.expr.elementary import tan as tan
from tensorgrad_eg.expr.elementary import tanh as tanh
from tensorgrad_eg.expr.functions import cross_entropy as cross_entropy
from tensorgrad_eg.expr.functions import det as det
from tensorgrad_eg.expr.functions import dot as dot
from tensorgrad_eg.expr.functions import frobenius2 as frobenius2
from tensorgrad_eg.expr.functions import inverse as inverse
from tensorgrad_eg.expr.functions import l2_loss as l2_loss
from tensorgrad_eg.expr.functions import log_softmax as log_softmax
from tensorgrad_eg.expr.functions import logdet as logdet
from tensorgrad_eg.expr.functions import logsumexp as logsumexp
from tensorgrad_eg.expr.functions import mean as mean
from tensorgrad_eg.expr.functions import softmax as softmax
from tensorgrad_eg.expr.functions import solve as solve
from tensorgrad_eg.expr.functions import sum as sum
from tensorgrad_eg.expr.functions import trace as trace
from tensorgrad_eg.expr.losses import attention as attention
from tensorgrad_eg.expr.losses import batch_norm as batch_norm
from tensorgrad_eg.expr.losses import binary_cross_entropy as binary_cross_entropy
from tensorgrad_eg.expr.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from tensorgrad_eg.expr.losses import cosine_similarity as cosine_similarity
from tensorgrad_eg.expr.losses import diag as diag
from tensorgrad_eg.expr.losses import dropout as dropout
from tensorgrad_eg.expr.losses import group_norm as group_norm
from tensorgrad_eg.expr.losses import hadamard as hadamard
from tensorgrad_eg.expr.losses import huber_loss as huber_loss
from tensorgrad_eg.expr.losses import khatri_rao as khatri_rao
from tensorgrad_eg.expr.losses import kl_div as kl_div
from tensorgrad_eg.expr.losses import kron as kron
from tensorgrad_eg.expr.losses import layer_norm as layer_norm
from tensorgrad_eg.expr.losses import mse as mse
from tensorgrad_eg.expr.losses import norm as norm
from tensorgrad_eg.expr.losses import outer as outer
from tensorgrad_eg.expr.losses import rms_norm as rms_norm
from tensorgrad_eg.expr.losses import std as std
from tensorgrad_eg.expr.losses import var as var

#: Names that people look for here, and what to write.
_ELSEWHERE = {
    "arange": "make an array, and give it to the plan as a variable",
    "bmm": "write A @ B: edges that both have are summed, those in F.dot(A, B, 'k') alone if named",
    "concat": "add tensors that are 0 where the other stands",
    "cumsum": "write F.dot(mask, x, 'k'), where mask[i,k] is 1 for k <= i, else 0",
    "cumprod": "write F.prod(F.where(mask, x, 1), 'k'), where mask[i,k] is 1 for k <= i, else 0",
    "diagonal": "write F.diag(A, 'i', 'j')",
    "div": "write a / b",
    "einsum": "write tg.einsum(...)",
    "eye": "write tg.delta('i', 'j')",
    "gather": "write F.dot(one_hot, x, 'k') with a one-hot variable",
    "one_hot": "make it an array, and give it to the plan as a variable",
    "matmul": "write A @ B",
    "pow": "write x ** y",
    "square": "write x ** 2",
    "reciprocal": "write 1 / x",
    "rsqrt": "write 1 / F.sqrt(x)",
    "transpose": "write A.transpose('k', 'i'); edges have names, so that products need none",
    "tril": "write A * mask, where mask[i,k] is 1 for k <= i, else 0",
    "triu": "write A * mask, where mask[i,k] is 1 for k >= i, else 0",
}


def __getattr__(name: str) -> object:
    """Say what to write instead of a function that is not there."""
    raise _MissingFunctionError.missing(name, _FUNCTIONS, _ELSEWHERE)
