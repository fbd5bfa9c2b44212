"""GPUs of this maker, whoever built the machine around them."""
