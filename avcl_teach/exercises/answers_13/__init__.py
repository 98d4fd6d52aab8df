"""Specs of the exercises of lesson 13, one module each."""
