"""Answers of lesson 31: what a right one does, and the mistakes that are known."""
