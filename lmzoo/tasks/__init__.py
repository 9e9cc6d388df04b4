"""What a model's knowledge is good for: probes, zero-shot tasks, the grammar exam, rescoring."""
