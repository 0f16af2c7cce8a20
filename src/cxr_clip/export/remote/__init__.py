"""The code that goes along with a model for transformers: it imports transformers and nothing of this package."""
