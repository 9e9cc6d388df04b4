"""Tasks: probing, zero-shot, the grammar exam, n-best rescoring and multiple choice, behind one `suite`."""
