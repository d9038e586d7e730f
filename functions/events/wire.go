package events

import (
	"errors"
	"net/http"
)

// wire builds the handler from the environment.
func wire() (http.Handler, error) {
	return nil, errors.New("no fleet is configured")
}
