"""Specs of the exercises of lesson 30, one module each."""
