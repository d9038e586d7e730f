package fakegce

import "strings"

// listAll serves the aggregatedList method of a collection: every scope, those
// without results with a warning, those a fault makes unreachable named as such.
func listAll(coll collection) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		lq, err := parseListQuery(c.query)
		if err != nil {
			return nil, err
		}
		items, lost := map[string]doc{}, []string{}
		var rows []row
		for _, sc := range scopesOf(coll.scopes...) {
			if c.fault.hides(sc) {
				lost = append(lost, sc.String())
				continue
			}
			items[sc.String()] = nil
			rows = append(rows, lq.rows(sc, s.docs(coll, c, shelf{c.project, sc, coll.name}))...)
		}
		rows, next := lq.page(rows)
		fillScopes(items, rows, coll.name)
		return aggregatedBody(coll, c, items, lost, next), nil
	}
}

func fillScopes(items map[string]doc, rows []row, collection string) {
	found := map[string][]doc{}
	for _, r := range rows {
		found[r.scope] = append(found[r.scope], r.doc)
	}
	for sc := range items {
		if docs := found[sc]; docs != nil {
			items[sc] = doc{collection: docs}
			continue
		}
		items[sc] = doc{"warning": doc{
			"code":    "NO_RESULTS_ON_PAGE",
			"message": "There are no results for scope '" + sc + "' on this page.",
			"data":    []doc{{"key": "scope", "value": sc}},
		}}
	}
}

func aggregatedBody(coll collection, c *call, items map[string]doc, lost []string, next string) doc {
	id := strings.TrimPrefix(c.path, "/")
	kind := coll.kind + "AggregatedList"
	if coll.aggregated != "" {
		kind = coll.aggregated
	}
	answer := doc{"kind": kind, "id": id, "selfLink": linkRoot + id, "items": items}
	if next != "" {
		answer["nextPageToken"] = next
	}
	if len(lost) == 0 {
		return answer
	}
	data := make([]doc, len(lost))
	for i, sc := range lost {
		items[sc] = doc{"warning": unreachable([]doc{{"key": "scope", "value": sc}})}
		data[i] = doc{"key": "scope", "value": sc}
	}
	answer["unreachables"] = lost
	answer["warning"] = unreachable(data)
	return answer
}

func unreachable(data []doc) doc {
	return doc{"code": "UNREACHABLE", "message": "Some scopes could not be reached.", "data": data}
}
