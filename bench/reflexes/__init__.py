"""What a hall's reflexes do when something leaks, boils or is lost, over the wire."""
