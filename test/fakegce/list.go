package fakegce

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// collection describes a kind of resource to the methods all kinds share.
type collection struct {
	name       string // in paths
	kind       string // of one resource; lists add "List" or "AggregatedList"
	aggregated string // the kind of the aggregated list where that is another
	scopes     []scopeKind
	docs       func(*Server, shelf) []doc   // of one scope, under the lock
	view       func(*Server, *resource) doc // with what depends on other resources
}

const maxPage = 500

const newestFirst = "creationTimestamp desc"

// listQuery is what a list request asks for.
type listQuery struct {
	match func(doc) bool // nil matches everything
	max   int
	order string // "name" or newestFirst
	after string // the sort key the last page ended with
}

func parseListQuery(q url.Values) (listQuery, *apiError) {
	lq := listQuery{max: maxPage, order: "name"}
	var err *apiError
	if lq.match, err = parseFilter(q.Get("filter")); err != nil {
		return lq, err
	}
	if v := q.Get("maxResults"); v != "" {
		n, parseErr := strconv.Atoi(v)
		if parseErr != nil || n < 0 || n > maxPage {
			return lq, errInvalid("maxResults", v, "Value must be between 0 and 500, inclusive.")
		}
		if n > 0 {
			lq.max = n
		}
	}
	switch v := strings.Join(strings.Fields(q.Get("orderBy")), " "); v {
	case "", "name", "name asc":
	case newestFirst:
		lq.order = v
	default:
		return lq, errInvalid("orderBy", v, "Order by clause is not supported.")
	}
	lq.after, err = parsePageToken(q.Get("pageToken"), lq.order)
	return lq, err
}

func pageToken(order, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(order + "|" + key))
}

func parsePageToken(token, order string) (string, *apiError) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	key, ok := strings.CutPrefix(string(raw), order+"|")
	if err != nil || !ok || key == "" {
		return "", errInvalid("pageToken", token, "Invalid page token.")
	}
	return key, nil
}

// row is a document on its way into a page.
type row struct {
	scope string
	doc   doc
	key   string
}

// rows are those of a scope that match and that no earlier page had.
func (lq listQuery) rows(sc scope, docs []doc) []row {
	rows := make([]row, 0, len(docs))
	in := sc.String()
	for _, d := range docs {
		name, _ := d["name"].(string)
		key := in + " " + name
		if lq.order == newestFirst {
			created, _ := d["creationTimestamp"].(string)
			key = created + " " + key
		}
		if listedBefore := lq.after != "" && lq.compare(lq.after, key) >= 0; listedBefore || lq.match != nil && !lq.match(d) {
			continue
		}
		rows = append(rows, row{scope: in, doc: d, key: key})
	}
	return rows
}

// page orders rows, cuts the wanted page and tells the token of the next one.
func (lq listQuery) page(rows []row) ([]row, string) {
	slices.SortFunc(rows, func(a, b row) int { return lq.compare(a.key, b.key) })
	if len(rows) <= lq.max {
		return rows, ""
	}
	rows = rows[:lq.max]
	return rows, pageToken(lq.order, rows[lq.max-1].key)
}

func (lq listQuery) compare(a, b string) int {
	if lq.order == newestFirst {
		return strings.Compare(b, a)
	}
	return strings.Compare(a, b)
}

// getOne serves the get method of a collection.
func getOne(coll collection) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, d := range s.lookup(coll, c) {
			return d, nil
		}
		return nil, errNotFound(c.ref(coll.name).path())
	}
}

// lookup finds by map where it can: groups are many and asked for often.
func (s *Server) lookup(coll collection, c *call) []doc {
	if res := s.store.find(c.ref(coll.name)); res != nil {
		return []doc{s.show(coll, res)}
	}
	if coll.docs == nil {
		return nil
	}
	docs := coll.docs(s, c.shelf(coll.name))
	return slices.DeleteFunc(docs, func(d doc) bool { return d["name"] != c.name })
}

func (s *Server) docs(coll collection, c *call, sh shelf) []doc {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.listed(coll, sh, s.lag(c))
}

// show is a resource's document as it is served.
func (s *Server) show(coll collection, res *resource) doc {
	if coll.view == nil {
		return res.doc
	}
	return coll.view(s, res)
}

// listOne serves the list method of a collection: one scope.
func listOne(coll collection) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		lq, err := parseListQuery(c.query)
		if err != nil {
			return nil, err
		}
		sh := c.shelf(coll.name)
		rows, next := lq.page(lq.rows(sh.scope, s.docs(coll, c, sh)))
		id := strings.TrimPrefix(c.path, "/")
		answer := doc{"kind": coll.kind + "List", "id": id, "selfLink": linkRoot + id}
		if len(rows) > 0 {
			items := make([]doc, len(rows))
			for i, r := range rows {
				items[i] = r.doc
			}
			answer["items"] = items
		}
		if next != "" {
			answer["nextPageToken"] = next
		}
		return answer, nil
	}
}
