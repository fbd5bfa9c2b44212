"""What is kept: facts and their history, intents, secrets, telemetry series."""
