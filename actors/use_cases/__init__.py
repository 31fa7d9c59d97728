"""What a user can do: collect, plan, look, prove, audit, steer an account."""
