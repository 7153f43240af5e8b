"""Extraction: prices, joint search, proofs, and programs."""
