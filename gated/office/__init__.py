"""The office: its register, rosters in, cards out, passes revoked. Never on a gate."""
