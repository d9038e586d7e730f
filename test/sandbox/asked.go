//go:build linux

package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// An Ask is a request that a function made of an API server, as the audit log has it.
type Ask struct {
	User, Verb, Group string
	Resource          string // with its subresource: pods/status
	Namespace, Name   string // empty where the request has none
}

// Asked reads from the clusters' audit logs what each function has asked of their API servers,
// and how often.
func (w *World) Asked() (map[Ask]int, error) {
	asked := map[Ask]int{}
	for _, c := range w.Clusters {
		if err := readAuditLog(w.auditLog(c.Name), asked); err != nil {
			return nil, fmt.Errorf("audit log of cluster %s: %w", c.Name, err)
		}
	}
	return asked, nil
}

func (w *World) auditLog(cluster string) string { return w.Dir.Path("log", "audit-"+cluster+".log") }

func readAuditLog(path string, asked map[Ask]int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for r := bufio.NewReader(file); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // what is left is a line that is being written
		}
		if err != nil {
			return err
		}
		var e auditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if slices.Contains(users, e.User.Username) && e.ObjectRef.Resource != "" {
			asked[e.ask()]++
		}
	}
}

func (e auditEntry) ask() Ask {
	o := e.ObjectRef
	if o.Subresource != "" {
		o.Resource += "/" + o.Subresource
	}
	return Ask{User: e.User.Username, Verb: e.Verb, Group: o.APIGroup, Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}
}

// logUsers puts a rule before those of an audit policy: whatever the functions ask is logged.
// The webhook gets it too, as where one policy serves several purposes.
func logUsers(policy string) error {
	text, err := os.ReadFile(policy)
	if err != nil {
		return err
	}
	const rules = "\nrules:\n"
	rule := "  - level: Metadata\n    users: [" + strings.Join(users, ", ") + "]\n"
	if bytes.Count(text, []byte(rules)) != 1 {
		return fmt.Errorf("audit policy %s: no place for a rule", policy)
	}
	return os.WriteFile(policy, bytes.Replace(text, []byte(rules), []byte(rules+rule), 1), 0o600)
}

// isRead tells whether a verb of the audit log changes nothing.
func isRead(verb string) bool { return slices.Contains([]string{"get", "list", "watch"}, verb) }
