"""Specs of the exercises of lesson 14, one module each."""
