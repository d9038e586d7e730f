package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A ClusterMessage asks for a look at a whole cluster, on TopicClusters. As a Message it
// says where to look, never what is so: that a cluster is gone, the container API proves.
type ClusterMessage struct {
	Cluster  string // the fleet file's name
	Reason   ClusterReason
	Source   string    // who saw it: "audit", "notification", ...
	Observed time.Time // when it happened there
}

// A ClusterReason is a word of lower-case letters and dashes. Readers take one that they
// do not know for a plain look at the cluster.
type ClusterReason string

const (
	// ClusterResync asks for the keys of all of the cluster's Services and owned groups.
	ClusterResync ClusterReason = "resync"
	// ClusterSweep asks for a sweep of the cluster alone: the run over the fleet had no time
	// for it.
	ClusterSweep ClusterReason = "sweep"
	// ClusterDeleting: somebody asked for the cluster's deletion, which takes minutes.
	ClusterDeleting ClusterReason = "deleting"
	// ClusterDeleted: the deletion has ended, says the log.
	ClusterDeleted ClusterReason = "deleted"
)

var clusterReason = regexp.MustCompile(`^[a-z]([-a-z]{0,30}[a-z])?$`)

// clusterPayload is the format on the wire, frozen by testdata/cluster.json.
type clusterPayload struct {
	V        int    `json:"v"`
	Cluster  string `json:"cluster"`
	Reason   string `json:"reason"`
	Source   string `json:"source"`
	Observed string `json:"observed"`
}

// EncodeCluster returns m as a message's data and attributes, which say the same. Its
// errors are of outcome Blocked: the same message would be refused again.
func EncodeCluster(m ClusterMessage) (data []byte, attributes map[string]string, err error) {
	if err := m.validate(); err != nil {
		return nil, nil, neg.Block(ReasonBadMessage, "encode message for cluster %s: %w", clip(m.Cluster), err)
	}
	p := clusterPayload{
		V: Version, Cluster: m.Cluster, Reason: string(m.Reason), Source: clip(m.Source),
		Observed: m.Observed.UTC().Format(time.RFC3339Nano),
	}
	if data, err = json.Marshal(p); err != nil {
		return nil, nil, fmt.Errorf("encode message for cluster %s: %w", m.Cluster, err)
	}
	return data, map[string]string{
		"v": strconv.Itoa(p.V), "cluster": p.Cluster, "reason": p.Reason, "source": p.Source, "observed": p.Observed,
	}, nil
}

// DecodeClusterMessage reads what EncodeCluster wrote; its errors are as DecodeMessage's.
func DecodeClusterMessage(data []byte) (ClusterMessage, error) {
	m, err := decodeCluster(data)
	if err != nil {
		return ClusterMessage{}, neg.Block(ReasonBadMessage, "decode cluster message: %w", err)
	}
	return m, nil
}

func decodeCluster(data []byte) (ClusterMessage, error) {
	var p clusterPayload
	if err := unmarshalOne(data, &p); err != nil {
		return ClusterMessage{}, err
	}
	observed, err := checkEnvelope(p.V, p.Observed)
	if err != nil {
		return ClusterMessage{}, err
	}
	m := ClusterMessage{Cluster: p.Cluster, Reason: ClusterReason(p.Reason), Source: clip(p.Source), Observed: observed}
	return m, m.validate()
}

func (m ClusterMessage) validate() error {
	if err := neg.ValidClusterName(m.Cluster); err != nil {
		return fmt.Errorf("field cluster: %w", err)
	}
	if !clusterReason.MatchString(string(m.Reason)) {
		return fmt.Errorf("field reason %q: want a word such as resync", clip(string(m.Reason)))
	}
	if m.Source == "" {
		return errors.New("field source is empty; name the sender")
	}
	return validTime(m.Observed)
}
