"""Tests, intervals and corrected figures: numbers in, numbers out."""
