"""Answers, cases and known mistakes of the exercises of lesson 39."""
