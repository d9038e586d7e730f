// Command function serves the one function that FUNCTION_TARGET names, as the main that
// the Go buildpack generates does, on PORT of the loopback address.
package main

import (
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ "github.com/negfleet/negfleet/functions/events"
	_ "github.com/negfleet/negfleet/functions/readiness"
	_ "github.com/negfleet/negfleet/functions/reconcile"
	_ "github.com/negfleet/negfleet/functions/sweep"
)

func main() {
	if os.Getenv("FUNCTION_TARGET") == "" {
		log.Fatal("FUNCTION_TARGET: missing; want Events, Readiness, Reconcile or Sweep")
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	if err := funcframework.StartHostPort("127.0.0.1", port); err != nil {
		log.Fatalf("serve: %v", err)
	}
}
