"""What this site decides. Pure, like mailauth."""
