"""What the RFCs say. Pure: octets, DNS answers, keys, now -> verdicts."""
