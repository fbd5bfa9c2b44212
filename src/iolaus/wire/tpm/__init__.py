"""TPM 2.0 structures as bytes: quotes, signatures, public areas, event logs (TCG)."""
