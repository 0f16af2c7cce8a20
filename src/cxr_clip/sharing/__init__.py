"""Models that leave their machine: a folder with a model card, the hub."""
