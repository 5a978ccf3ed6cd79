"""What source text tells of a constructor: names, annotations, ranges, read without importing it."""
