package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"github.com/negfleet/negfleet/shared/neg"
)

var exampleCluster = ClusterMessage{
	Cluster: "prod-eu", Reason: ClusterResync, Source: "notification",
	Observed: time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC),
}

func TestClusterMessageFormat(t *testing.T) {
	data, attributes, err := EncodeCluster(exampleCluster)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(golden(t, "testdata/cluster.json")), string(data)); diff != "" {
		t.Errorf("data (-golden +got):\n%s", diff)
	}
	var want map[string]string
	if err := json.Unmarshal([]byte(golden(t, "testdata/cluster-attributes.json")), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-golden +got):\n%s", diff)
	}
	got, err := DecodeClusterMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleCluster, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// A reader must survive a sender that is younger than itself.
func TestAClusterReasonOfTomorrowIsRead(t *testing.T) {
	data := strings.Replace(golden(t, "testdata/cluster.json"), "resync", "moved-away", 1)
	data = strings.Replace(data, "{", `{"to":"us-east1",`, 1)
	if m, err := DecodeClusterMessage([]byte(data)); err != nil || m.Reason != "moved-away" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDecodeClusterMessageRefuses(t *testing.T) {
	valid := golden(t, "testdata/cluster.json")
	for _, c := range []struct{ name, data, want string }{
		{"text", "hello", "not a negfleet message"},
		{"a key's message", golden(t, "testdata/message.json"), "field reason"},
		{"a later version", strings.Replace(valid, `"v":1`, `"v":2`, 1), "field v is 2"},
		{"two objects", valid + valid, "bytes follow"},
		{"no cluster", strings.Replace(valid, "prod-eu", "", 1), "field cluster"},
		{"a cluster that is none", strings.Replace(valid, "prod-eu", "../x", 1), "field cluster"},
		{"no reason", strings.Replace(valid, "resync", "", 1), "field reason"},
		{"no source", strings.Replace(valid, `"notification"`, `""`, 1), "field source"},
		{"no time", strings.Replace(valid, "2026-11-20T10:00:00.123456Z", "today", 1), "field observed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeClusterMessage([]byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if got := neg.OutcomeOf(err); got != neg.Blocked {
				t.Errorf("outcome %s: a message that can never succeed must not come back", got)
			}
		})
	}
}

func TestPublishClusters(t *testing.T) {
	s, p := broker(t, PublisherOptions{})
	if _, err := s.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: "projects/demo/topics/" + TopicClusters}); err != nil {
		t.Fatal(err)
	}
	bad := exampleCluster
	bad.Reason = "a sentence"
	if err := p.PublishClusters(t.Context(), bad, exampleCluster); neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("error %v, want one of outcome blocked", err)
	}
	messages := s.Messages()
	if len(messages) != 1 || messages[0].Topic != "projects/demo/topics/"+TopicClusters {
		t.Fatalf("published %v", messages)
	}
	if m, err := DecodeClusterMessage(messages[0].Data); err != nil || m != exampleCluster {
		t.Errorf("published %+v, %v", m, err)
	}
}

func FuzzDecodeClusterMessage(f *testing.F) {
	f.Add([]byte(golden(f, "testdata/cluster.json")))
	f.Add([]byte(golden(f, "testdata/message.json")))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeClusterMessage(data)
		if err != nil {
			if len(err.Error()) > 2048 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, _, err := EncodeCluster(m)
		if err != nil {
			t.Fatalf("decoded %+v, which cannot be encoded: %v", m, err)
		}
		if second, err := DecodeClusterMessage(again); err != nil || second != m {
			t.Fatalf("%+v became %+v, %v", m, second, err)
		}
	})
}
