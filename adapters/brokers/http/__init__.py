"""What gateways share that speak HTTP: sessions, attempts, and what headers say."""
