"""What the hall is made of and what is known of it: frozen values, no I/O, no clock."""
