package fakegce

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// An Ageing makes resources older than they are, for whoever asks how long something has
// been there and cannot wait for it.
type Ageing struct {
	Path string   `json:"path"` // a regular expression of paths, from projects/ on
	By   Duration `json:"by"`
}

// Age moves the creation of every resource that a path fits into the past.
func (s *Server) Age(a Ageing) error {
	fits, err := regexp.Compile(a.Path)
	switch {
	case err != nil:
		return err
	case a.Path == "" || a.By <= 0:
		return errors.New("want a path and how much older")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	aged := 0
	for _, shelved := range s.store.shelves {
		for _, res := range shelved {
			text, _ := res.doc["creationTimestamp"].(string)
			created, err := time.Parse(time.RFC3339, text)
			if err != nil || !fits.MatchString(res.ref.path()) {
				continue
			}
			res.doc = res.doc.with("creationTimestamp", stamp(created.Add(-time.Duration(a.By))))
			aged++
		}
	}
	if aged == 0 {
		return fmt.Errorf("nothing has a path like %q", a.Path)
	}
	return nil
}
