"""Specs of the exercises of lesson 33, one module each."""
