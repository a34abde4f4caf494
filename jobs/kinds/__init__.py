"""What a node can run: one package per kind of job."""
