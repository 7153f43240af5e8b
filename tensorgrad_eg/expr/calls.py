"""The functions that a text can call, by name, and how many tensors each takes before its edges.

>>> sorted(name for name, count in TENSORS.items() if count == 3)
['attention']
"""

from __future__ import annotations

from collections.abc import Callable

from tensorgrad_eg.expr import choices, elementary, functions, losses
from tensorgrad_eg.expr.tensor import Tensor

#: How two tensors compare, by the sign that stands between them.
COMPARISONS = {
    ">": choices.greater,
    "<": choices.less,
    ">=": choices.greater_equal,
    "<=": choices.less_equal,
    "==": choices.equal,
    "!=": choices.not_equal,
}
#: Every function of tensors and edges. Powers are written with ^.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    name: getattr(module, name)
    for module in (elementary, choices, functions, losses)
    for name in module.__all__
}
FUNCTIONS["inv"] = functions.inverse
#: Functions that take a number or a second tensor behind these.
OPTIONS = ("leaky_relu", "elu", "clip", "max", "min", "dropout")
#: How many tensors a function takes before its edges; the others take one.
TENSORS = {
    "attention": 3,
    **dict.fromkeys(("polygamma", "dot", "l2_loss", "cross_entropy", "mse", "huber_loss", "kl_div"), 2),
    **dict.fromkeys(("less", "less_equal", "not_equal", "cosine_similarity", "dropout"), 2),
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits"), 2),
    **dict.fromkeys(("outer", "kron", "khatri_rao", "hadamard"), 2),
}
