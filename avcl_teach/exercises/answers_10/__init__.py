"""Reference answers, cases and known mistakes of lesson 10."""
