"""Derivations: how a plan comes about, step by step, each step a named rule that is checked on numbers."""

from tensorgrad_eg.explain.derivation import Derivation as Derivation
from tensorgrad_eg.explain.derivation import Equation as Equation
from tensorgrad_eg.explain.derivation import Phase as Phase
from tensorgrad_eg.explain.derivation import Place as Place
from tensorgrad_eg.explain.derivation import Step as Step
from tensorgrad_eg.explain.explain import explain as explain
