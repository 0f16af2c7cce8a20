"""What a manifest holds, counted and shown: before a training, and when its figures look odd."""
