"""What it takes to serve a hall of ten thousand on one machine."""
