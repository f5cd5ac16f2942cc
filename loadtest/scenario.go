package loadtest

// The scenarios.
const (
	ScenarioIdle      = "idle"      // connect, and hold
	ScenarioBroadcast = "broadcast" // publish to subscribers
	ScenarioEcho      = "echo"      // send, and receive the same
	ScenarioChurn     = "churn"     // disconnect and connect again, steadily
	ScenarioStorm     = "storm"     // lose many connections at once, and come back
)
