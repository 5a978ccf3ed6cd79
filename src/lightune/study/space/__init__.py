"""The space of a study: what is swept, over which values, under which conditions."""
