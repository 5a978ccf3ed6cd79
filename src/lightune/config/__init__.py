"""From a composed configuration to the objects of a run: trust, validation, building."""
