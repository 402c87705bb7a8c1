package wire

import (
	"strconv"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Paging is how an operation cuts its list.
type Paging struct {
	Least, Most int    // elements a client may ask for
	Default     int    // elements it gets without asking; 0: all
	BadSize     string // code of the answer to a size outside of Least to Most
	BadToken    string // code of the answer to a token that was not given out
}

// Page cuts a list at a token, which is the position of its first element, and
// gives the token of the next page, empty after the last one.
func Page[T any](p Paging, list []T, token, size string) ([]T, string, error) {
	n := p.Default
	if size != "" {
		var err error
		if n, err = strconv.Atoi(size); err != nil || n < p.Least || n > p.Most {
			return nil, "", region.Errorf(region.Invalid, p.BadSize,
				"Value ( %s ) for the size of a page is invalid. Expecting a value from %d to %d.", size, p.Least, p.Most)
		}
	}
	from := 0
	if token != "" {
		position, ok := strings.CutPrefix(token, tokenHead)
		at, err := strconv.ParseUint(position, 10, 31)
		if !ok || err != nil || int(at) > len(list) {
			return nil, "", region.Errorf(region.Invalid, p.BadToken, "The specified token is not valid: %s", token)
		}
		from = int(at)
	}
	list = list[from:]
	if n == 0 || len(list) <= n {
		return list, "", nil
	}
	return list[:n], tokenHead + strconv.Itoa(from+n), nil
}

const tokenHead = "page-"
