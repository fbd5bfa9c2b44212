"""What the digital twin costs and shows: `python -m bench.twin WORD`."""
