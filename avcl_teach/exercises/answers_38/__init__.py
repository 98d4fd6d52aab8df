"""Specs of the exercises of lesson 38, one module each."""
