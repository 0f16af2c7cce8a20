"""Search in embeddings: what an index answers, the faiss one on disk, the nearest studies."""
