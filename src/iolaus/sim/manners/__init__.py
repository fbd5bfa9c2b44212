"""The manners of a management controller: settings, accounts, logs, media, telemetry, reactions."""
