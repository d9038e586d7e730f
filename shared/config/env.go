package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Env is what the functions read from the environment.
type Env struct {
	FleetFile         string        // NEGFLEET_FLEET: path of the fleet file
	ComputeEndpoint   string        // NEGFLEET_COMPUTE_ENDPOINT: another Compute API, ends in /compute/v1/
	ContainerEndpoint string        // NEGFLEET_CONTAINER_ENDPOINT: another container API, without credentials
	GatewayEndpoint   string        // NEGFLEET_GATEWAY_ENDPOINT: another Connect gateway
	APIsEndpoint      string        // NEGFLEET_APIS_ENDPOINT: one that answers for all other Google APIs, without credentials
	PubSubProject     string        // PUBSUB_PROJECT_ID, else GOOGLE_CLOUD_PROJECT: project of the topics
	DeletionGrace     time.Duration // NEGFLEET_DELETION_GRACE: how long a Service must stay missing
	LookInterval      time.Duration // NEGFLEET_LOOK_INTERVAL: between two looks at one key in one instance
	CallerKeys        string        // NEGFLEET_CALLER_KEYS: keys of the path MAC; secret
	Accept            string        // NEGFLEET_EVENTS_ACCEPT: shapes that the events function takes
	SweepBudget       int           // NEGFLEET_SWEEP_BUDGET: orphaned keys that a sweep publishes, at most
	OrderingKeys      bool          // NEGFLEET_ORDERING_KEYS: publish keys in order
	Identities        []string      // NEGFLEET_IDENTITIES: users that negfleet's functions are in the clusters; their writes are no events
}

// ReadEnv reads the environment through getenv and reports all that is wrong at once.
func ReadEnv(getenv func(string) string) (Env, error) {
	var errs []error
	e := Env{
		FleetFile:         getenv("NEGFLEET_FLEET"),
		ComputeEndpoint:   getenv("NEGFLEET_COMPUTE_ENDPOINT"),
		ContainerEndpoint: getenv("NEGFLEET_CONTAINER_ENDPOINT"),
		GatewayEndpoint:   getenv("NEGFLEET_GATEWAY_ENDPOINT"),
		APIsEndpoint:      getenv("NEGFLEET_APIS_ENDPOINT"),
		PubSubProject:     PubSubProject(getenv),
		CallerKeys:        getenv("NEGFLEET_CALLER_KEYS"),
		Accept:            getenv("NEGFLEET_EVENTS_ACCEPT"),
		OrderingKeys:      getenv("NEGFLEET_ORDERING_KEYS") == "true",
	}
	for user := range strings.SplitSeq(getenv("NEGFLEET_IDENTITIES"), ",") {
		if user = strings.TrimSpace(user); user != "" {
			e.Identities = append(e.Identities, user)
		}
	}
	if e.FleetFile == "" {
		errs = append(errs, errors.New("NEGFLEET_FLEET: missing; want the path of the fleet file"))
	}
	if u, err := url.Parse(e.ComputeEndpoint); e.ComputeEndpoint != "" && (err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/compute/v1/")) {
		errs = append(errs, fmt.Errorf("NEGFLEET_COMPUTE_ENDPOINT %q: want a URL that ends in /compute/v1/", e.ComputeEndpoint))
	}
	baseURL("NEGFLEET_CONTAINER_ENDPOINT", e.ContainerEndpoint, &errs)
	baseURL("NEGFLEET_GATEWAY_ENDPOINT", e.GatewayEndpoint, &errs)
	baseURL("NEGFLEET_APIS_ENDPOINT", e.APIsEndpoint, &errs)
	e.DeletionGrace = duration(getenv, "NEGFLEET_DELETION_GRACE", time.Minute, maxGrace, &errs)
	e.LookInterval = duration(getenv, "NEGFLEET_LOOK_INTERVAL", time.Second, time.Minute, &errs)
	e.SweepBudget = number(getenv, "NEGFLEET_SWEEP_BUDGET", 50, 1000, &errs)
	return e, errors.Join(errs...)
}

// number is from 0 to most.
func number(getenv func(string) string, name string, fallback, most int, errs *[]error) int {
	value := getenv(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		*errs = append(*errs, fmt.Errorf("%s %q: want a number from 0 to %d", name, value, most))
		return fallback
	}
	return n
}

// PubSubProject is the project of the topics; empty when none is named.
func PubSubProject(getenv func(string) string) string {
	return cmp.Or(getenv("PUBSUB_PROJECT_ID"), getenv("GOOGLE_CLOUD_PROJECT"))
}

// Function reads the environment of a function that publishes.
func (e Env) Function() error {
	if e.PubSubProject == "" {
		return errors.New("PUBSUB_PROJECT_ID: missing; want the project of the topics")
	}
	return nil
}

// maxGrace leaves a look the time to act after it within one delivery.
const maxGrace = 5 * time.Minute

// baseURL checks the address of another API, which has no path of its own.
func baseURL(name, value string, errs *[]error) {
	u, err := url.Parse(value)
	if value != "" && (err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "") {
		*errs = append(*errs, fmt.Errorf("%s %q: want a URL without a path, such as http://127.0.0.1:9085", name, value))
	}
}

func duration(getenv func(string) string, name string, fallback, most time.Duration, errs *[]error) time.Duration {
	value := getenv(name)
	if value == "" {
		return fallback
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > most {
		*errs = append(*errs, fmt.Errorf("%s %q: want a duration such as 1s, at most %s", name, value, most))
		return fallback
	}
	return d
}
