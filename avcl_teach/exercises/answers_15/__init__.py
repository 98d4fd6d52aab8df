"""Specs of the exercises of lesson 15, one module each."""
