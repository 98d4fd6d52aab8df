"""Specs of the exercises of lesson 12, one module each."""
