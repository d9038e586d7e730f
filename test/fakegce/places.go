package fakegce

import (
	_ "embed"
	"strings"
)

// placesText holds a region a line: its zones' letters and the range that its
// subnetwork of an auto mode network has.
//
//go:embed places.txt
var placesText string

type place struct {
	region string
	zones  []string
	cidr   string
}

// The map of the world; never written after start.
var (
	places     = parsePlaces(placesText)
	zoneRegion = indexZones(places)
	placeOf    = indexRegions(places)
)

func parsePlaces(text string) []place {
	var all []place
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		p := place{region: f[0], cidr: f[2]}
		for _, letter := range f[1] {
			p.zones = append(p.zones, p.region+"-"+string(letter))
		}
		all = append(all, p)
	}
	return all
}

func indexZones(all []place) map[string]string {
	index := map[string]string{}
	for _, p := range all {
		for _, zone := range p.zones {
			index[zone] = p.region
		}
	}
	return index
}

func indexRegions(all []place) map[string]place {
	index := map[string]place{}
	for _, p := range all {
		index[p.region] = p
	}
	return index
}

// regionOf is the region a scope lies in, empty for global.
func regionOf(s scope) string {
	if s.kind == zonal {
		return zoneRegion[s.name]
	}
	return s.name
}

// scopesOf lists the scopes of these kinds, in the order they are served.
func scopesOf(kinds ...scopeKind) []scope {
	var all []scope
	for _, kind := range kinds {
		if kind == global {
			all = append(all, scope{kind: global})
			continue
		}
		for _, p := range places {
			if kind == region {
				all = append(all, scope{kind: region, name: p.region})
				continue
			}
			for _, zone := range p.zones {
				all = append(all, scope{kind: zonal, name: zone})
			}
		}
	}
	return all
}
