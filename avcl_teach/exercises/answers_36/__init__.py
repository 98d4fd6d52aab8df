"""Specs of the exercises of lesson 36, one module each."""
