"""Specs of the exercises of lesson 34, one module each."""
