"""Specs of the exercises of lesson 32, one module each."""
