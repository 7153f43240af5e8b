"""Derivations: how a plan comes about, step by step, each step a named rule that is checked on numbers."""

from tensorgrad_eg.explain.derivation import Derivation as Derivation
from tensorgrad_eg.explain.explain import explain as explain
from tensorgrad_eg.explain.steps import Equation as Equation
from tensorgrad_eg.explain.steps import Phase as Phase
from tensorgrad_eg.explain.steps import Place as Place
from tensorgrad_eg.explain.steps import Step as Step
