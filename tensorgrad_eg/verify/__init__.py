"""Trust: what an expression is worth by its definition, and whether plans and e-graphs agree with it."""

from tensorgrad_eg.verify.evaluate import evaluate as evaluate
from tensorgrad_eg.verify.evaluate import evaluate_all as evaluate_all
