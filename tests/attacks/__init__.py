"""What attackers do, one file an attacker, and what they get."""
