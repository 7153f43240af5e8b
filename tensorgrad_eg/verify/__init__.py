"""Trust: what an expression is worth by its definition, and whether plans and e-graphs agree with it.

>>> import numpy as np
>>> from tensorgrad_eg.expr import Variable
>>> x = Variable("x", ["k"])
>>> evaluate((x @ x).grad(x), {"x": np.array([1.0, 2.0])})
array([2., 4.])
"""

from tensorgrad_eg.verify.evaluate import evaluate as evaluate
from tensorgrad_eg.verify.evaluate import evaluate_all as evaluate_all
from tensorgrad_eg.verify.plans import PlanCheck as PlanCheck
from tensorgrad_eg.verify.plans import check_plan as check_plan
from tensorgrad_eg.verify.snapshots import Mismatch as Mismatch
from tensorgrad_eg.verify.snapshots import check_snapshot as check_snapshot
from tensorgrad_eg.verify.snapshots import inspect_snapshot as inspect_snapshot
from tensorgrad_eg.verify.snapshots import normal_forms as normal_forms
from tensorgrad_eg.verify.snapshots import snapshots as snapshots
from tensorgrad_eg.verify.suspects import Offence as Offence
from tensorgrad_eg.verify.suspects import offending_rules as offending_rules
