"""Many trainings that differ in one thing each, over several seeds, compared on the same patients."""
