"""DSX Exchange: points of a building, requests to it, and signed messages of the grid."""
