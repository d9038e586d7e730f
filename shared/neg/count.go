package neg

import "strconv"

// Count says a number of things as people do: 1 key, 2 keys.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
