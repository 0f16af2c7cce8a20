"""One module per public data set: raw folder to studies."""
