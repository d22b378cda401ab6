"""Self-supervised methods, one file each: what a batch of embeddings should look like."""
