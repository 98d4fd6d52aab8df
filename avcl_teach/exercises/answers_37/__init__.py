"""Specs of the exercises of lesson 37, one module each."""
