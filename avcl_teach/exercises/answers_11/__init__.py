"""Answers of lesson 11, one module an exercise: reference, right alternatives, known mistakes."""
