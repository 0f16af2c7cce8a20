"""A model behind HTTP: the interface of docs/serve.md and the page that uses it, on this machine unless told."""
