"""Readers of real data sets in the layout in which their owners distribute them."""
