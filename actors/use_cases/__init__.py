"""What can be asked for from outside: collect, plan, look, prove, audit, steer an account."""
