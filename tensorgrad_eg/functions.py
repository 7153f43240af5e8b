"""The functions, for `from tensorgrad_eg import functions as F`: see `tensorgrad_eg.expr.functions`.

>>> import tensorgrad_eg.functions as F
>>> from tensorgrad_eg.expr import Variable
>>> print(F.softmax(Variable("z", ["k"]), "k"))
softmax(z[k], k)
"""

from tensorgrad_eg.expr.functions import abs as abs
from tensorgrad_eg.expr.functions import cos as cos
from tensorgrad_eg.expr.functions import cross_entropy as cross_entropy
from tensorgrad_eg.expr.functions import det as det
from tensorgrad_eg.expr.functions import dot as dot
from tensorgrad_eg.expr.functions import erf as erf
from tensorgrad_eg.expr.functions import exp as exp
from tensorgrad_eg.expr.functions import frobenius2 as frobenius2
from tensorgrad_eg.expr.functions import gelu as gelu
from tensorgrad_eg.expr.functions import inverse as inverse
from tensorgrad_eg.expr.functions import l2_loss as l2_loss
from tensorgrad_eg.expr.functions import layer_norm as layer_norm
from tensorgrad_eg.expr.functions import log as log
from tensorgrad_eg.expr.functions import log_softmax as log_softmax
from tensorgrad_eg.expr.functions import logdet as logdet
from tensorgrad_eg.expr.functions import logsumexp as logsumexp
from tensorgrad_eg.expr.functions import mean as mean
from tensorgrad_eg.expr.functions import pi as pi
from tensorgrad_eg.expr.functions import power as power
from tensorgrad_eg.expr.functions import relu as relu
from tensorgrad_eg.expr.functions import sigmoid as sigmoid
from tensorgrad_eg.expr.functions import sign as sign
from tensorgrad_eg.expr.functions import sin as sin
from tensorgrad_eg.expr.functions import softmax as softmax
from tensorgrad_eg.expr.functions import softplus as softplus
from tensorgrad_eg.expr.functions import solve as solve
from tensorgrad_eg.expr.functions import sqrt as sqrt
from tensorgrad_eg.expr.functions import step as step
from tensorgrad_eg.expr.functions import sum as sum
from tensorgrad_eg.expr.functions import tanh as tanh
from tensorgrad_eg.expr.functions import trace as trace
