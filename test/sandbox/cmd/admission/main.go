// Command admission serves the admission webhook alone, as it is deployed, on PORT of the
// loopback address: what starts at an API server's request should not carry the other
// functions' code.
package main

import (
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ "github.com/negfleet/negfleet/admission"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	if err := os.Setenv("FUNCTION_TARGET", "Admission"); err != nil {
		log.Fatal(err)
	}
	if err := funcframework.StartHostPort("127.0.0.1", port); err != nil {
		log.Fatalf("serve: %v", err)
	}
}
