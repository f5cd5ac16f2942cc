// Intentionally empty: see open.go.
