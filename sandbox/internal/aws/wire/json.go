package wire

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Operation answers one request of a service that speaks JSON.
type Operation func(body []byte) (any, error)

// Reading reads a request as its operation's own input. What that does not have is
// refused: it would be silently without effect.
func Reading[T any](serve func(T) (any, error)) Operation {
	return func(body []byte) (any, error) {
		var in T
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, unread(err)
		}
		return serve(in)
	}
}

// unread names what a request holds and nobody reads.
func unread(err error) error {
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return region.Errorf(region.Invalid, "ValidationException", "The sandbox does not implement %s.", field)
	}
	return region.Errorf(region.Invalid, "SerializationException", "%s", err)
}
