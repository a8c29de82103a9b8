"""Training of the embedded checkpoints: corpus, recipes, training loop, export."""
