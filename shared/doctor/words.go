package doctor

import "strconv"

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
