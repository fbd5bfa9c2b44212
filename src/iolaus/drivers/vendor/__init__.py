"""One folder a vendor: manifest.toml, quirks.py, README.md. Found by manifest, named by nobody."""
