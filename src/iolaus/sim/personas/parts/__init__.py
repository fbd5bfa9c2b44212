"""What several machines have alike: services, processors, memory, drives, adapters, power."""
