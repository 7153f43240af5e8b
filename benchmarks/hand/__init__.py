"""Closed forms by hand, in torch and as priced steps, and references by automatic differentiation."""
