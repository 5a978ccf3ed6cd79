"""Trials that differ in numbers only, trained as one program."""
