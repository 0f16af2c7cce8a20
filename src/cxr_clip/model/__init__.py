"""The dual encoder and its two towers."""
