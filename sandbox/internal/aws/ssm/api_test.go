package ssm

import (
	"errors"
	"testing"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// What a request holds and nobody reads is refused by its name; what clients always
// send is not.
func TestWhatIsNotReadIsRefused(t *testing.T) {
	s := New("us-west-2")
	for body, want := range map[string]string{
		`{"Path": "/aws/service", "Recursive": true, "WithDecryption": true, "MaxResults": 10}`: "",
		`{"Path": "/aws/service", "ParameterFilters": [{"Key": "Type"}]}`:                       "ValidationException",
		`{"Path": 1}`: "SerializationException",
	} {
		_, err := s.Serve("GetParametersByPath", []byte(body))
		var refused *region.Error
		if errors.As(err, &refused); (err == nil) != (want == "") || err != nil && refused.Code != want {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
