"""The families of cases; importing this package declares them all, in the order of the tables."""

from benchmarks.families import second_order as second_order  # isort: skip
from benchmarks.families import deep as deep  # isort: skip
from benchmarks.families import variations as variations  # isort: skip
from benchmarks.families import gradients as gradients  # isort: skip
from benchmarks.families import algebra as algebra  # isort: skip
from benchmarks.families import contraction as contraction  # isort: skip
from benchmarks.families import jacobians as jacobians  # isort: skip
from benchmarks.families import coupled_cluster as coupled_cluster  # isort: skip
