"""Documents that go with a model or a data set: what is known stands in them, what only people know is left open."""
