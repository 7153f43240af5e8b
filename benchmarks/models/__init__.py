"""Generators: the losses and networks of the benchmarks as expressions, with data."""
