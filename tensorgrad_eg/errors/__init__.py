"""Every error a user can meet: a class for each mistake, which also is the builtin one would catch.

A message says what was found, where, and what to do. `Error.of(...)` writes it from the facts; `Error("...")`
takes a message as it is.

>>> print(UnknownEdgeError.of("feature", "X", ["batch", "features"]))
X has no edge 'feature'; its edges are: batch, features. Did you mean 'features'?
"""

from tensorgrad_eg.errors.expressions import AssumptionError as AssumptionError
from tensorgrad_eg.errors.expressions import DuplicateEdgeError as DuplicateEdgeError
from tensorgrad_eg.errors.expressions import MatrixEdgesError as MatrixEdgesError
from tensorgrad_eg.errors.expressions import MissingFunctionError as MissingFunctionError
from tensorgrad_eg.errors.expressions import MissingSizeError as MissingSizeError
from tensorgrad_eg.errors.expressions import NameFormatError as NameFormatError
from tensorgrad_eg.errors.expressions import NotAVariableError as NotAVariableError
from tensorgrad_eg.errors.expressions import NumberError as NumberError
from tensorgrad_eg.errors.expressions import OperandError as OperandError
from tensorgrad_eg.errors.expressions import ParseError as ParseError
from tensorgrad_eg.errors.expressions import SizeError as SizeError
from tensorgrad_eg.errors.expressions import SquareError as SquareError
from tensorgrad_eg.errors.expressions import SubscriptsError as SubscriptsError
from tensorgrad_eg.errors.expressions import SumEdgeError as SumEdgeError
from tensorgrad_eg.errors.expressions import TensorgradError as TensorgradError
from tensorgrad_eg.errors.expressions import UnknownEdgeError as UnknownEdgeError
from tensorgrad_eg.errors.expressions import UnknownFunctionError as UnknownFunctionError
from tensorgrad_eg.errors.expressions import VariableClashError as VariableClashError
from tensorgrad_eg.errors.expressions import a as a
from tensorgrad_eg.errors.expressions import ended as ended
from tensorgrad_eg.errors.expressions import listing as listing
from tensorgrad_eg.errors.expressions import pointed as pointed
from tensorgrad_eg.errors.expressions import suggestion as suggestion
from tensorgrad_eg.errors.plans import ArgumentError as ArgumentError
from tensorgrad_eg.errors.plans import ArrayKindError as ArrayKindError
from tensorgrad_eg.errors.plans import ArrayNameError as ArrayNameError
from tensorgrad_eg.errors.plans import ArrayShapeError as ArrayShapeError
from tensorgrad_eg.errors.plans import BackendError as BackendError
from tensorgrad_eg.errors.plans import CheckError as CheckError
from tensorgrad_eg.errors.plans import DetachedPlanError as DetachedPlanError
from tensorgrad_eg.errors.plans import DetailError as DetailError
from tensorgrad_eg.errors.plans import EndlessRuleError as EndlessRuleError
from tensorgrad_eg.errors.plans import ForbiddenRuleError as ForbiddenRuleError
from tensorgrad_eg.errors.plans import ForkedProcessError as ForkedProcessError
from tensorgrad_eg.errors.plans import LostTermError as LostTermError
from tensorgrad_eg.errors.plans import MissingExtraError as MissingExtraError
from tensorgrad_eg.errors.plans import OptionError as OptionError
from tensorgrad_eg.errors.plans import PlanFileError as PlanFileError
from tensorgrad_eg.errors.plans import PlanFileNotFoundError as PlanFileNotFoundError
from tensorgrad_eg.errors.plans import ProgramError as ProgramError
from tensorgrad_eg.errors.plans import RendererError as RendererError
from tensorgrad_eg.errors.plans import RuleError as RuleError
from tensorgrad_eg.errors.plans import RuleFileError as RuleFileError
from tensorgrad_eg.errors.plans import RuleFileNotFoundError as RuleFileNotFoundError
from tensorgrad_eg.errors.plans import RuleSyntaxError as RuleSyntaxError
from tensorgrad_eg.errors.plans import TimeLimitError as TimeLimitError
from tensorgrad_eg.errors.plans import WriteError as WriteError
from tensorgrad_eg.errors.plans import WrongPlanError as WrongPlanError
