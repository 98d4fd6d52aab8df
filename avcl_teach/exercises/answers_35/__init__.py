"""Answers, known mistakes and cases of the exercises of lesson 35."""
