"""What every room stands on: time, errors, quantities. Imports nothing of Iolaus."""
