"""What a person, a program and an agent meet: REST, CLI, metrics, pages."""
