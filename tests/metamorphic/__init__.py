"""A metamorphic test: a problem that is written in another way has a plan of the same cost.

    python -m tests.metamorphic --problems 150 --rewritings 10 --seed 0 --jobs 2

`problems` has every problem of the benchmarks and tests by name, `rewriting` writes one in another way, and
`compare` plans both.
"""
