"""Security Protocol and Data Model (DMTF DSP0274): transcripts, chains and opaque data as bytes."""
