"""The senders of SMS, against real servers and against ones that answer as providers document."""
