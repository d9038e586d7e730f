package neg

// The states that a backend service reports of an endpoint.
const (
	Healthy   = "HEALTHY"
	Unhealthy = "UNHEALTHY"
	Draining  = "DRAINING"
	Unknown   = "UNKNOWN"
)

// A Health is what one backend service says of an endpoint.
type Health struct {
	Service BackendServiceID
	State   string
}

// An EndpointHealth is an endpoint of a group and what is said of it: nothing while no
// load balancer leads to a backend service that has the group.
type EndpointHealth struct {
	Endpoint
	Seen []Health
}
