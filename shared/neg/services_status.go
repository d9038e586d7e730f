package neg

import (
	"slices"
	"strings"
)

// FormatServices is the value of AnnotationServices: "global/shop us-central1/internal".
func FormatServices(ids []BackendServiceID) string {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, BackendServiceID.Compare)
	var texts []string
	for _, id := range slices.Compact(ids) {
		texts = append(texts, id.String())
	}
	return strings.Join(texts, " ")
}

// ParseServices reads it. What is no backend service is left out: someone else wrote it.
func ParseServices(value string) []BackendServiceID {
	var ids []BackendServiceID
	for _, text := range strings.Fields(value) {
		region, name, ok := strings.Cut(text, "/")
		if region == "global" {
			region = ""
		}
		if ok && ValidName(name) && (region == "" || regionPattern.MatchString(region)) {
			ids = append(ids, BackendServiceID{region, name})
		}
	}
	return ids
}
