"""Weights that the authors of the method published: read as data, and turned into a run folder."""
