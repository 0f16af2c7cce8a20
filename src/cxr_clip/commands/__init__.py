"""The commands, by what they work on: sources, manifests, models. Everything heavy is imported inside them."""
