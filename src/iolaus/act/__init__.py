"""Change: plans carried out step by step, journalled before anything is done."""
