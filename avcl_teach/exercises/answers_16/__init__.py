"""Specs of the exercises of lesson 16, one module each."""
