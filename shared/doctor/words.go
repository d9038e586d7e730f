package doctor

import (
	"strconv"
)

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
