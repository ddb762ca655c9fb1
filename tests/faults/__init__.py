"""What breaks outside: Telegram, the sender of SMS, the disk, the clock. RELIABILITY 2."""
