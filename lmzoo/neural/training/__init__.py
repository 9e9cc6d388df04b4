"""Training a network: loop, batches, optimisers, schedule, checkpoints."""
