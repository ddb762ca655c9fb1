"""Everything that must outlive the process. It knows neither Telegram nor sentences."""
