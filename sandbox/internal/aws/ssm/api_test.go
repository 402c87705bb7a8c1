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
	for _, tt := range []struct{ op, body, want string }{
		{"GetParametersByPath", `{"Path": "/aws/service", "Recursive": true, "WithDecryption": true, "MaxResults": 10}`, ""},
		{"GetParametersByPath", `{"Path": "/aws/service", "ParameterFilters": [{"Key": "Type"}]}`, "ValidationException"},
		{"GetParametersByPath", `{"Path": 1}`, "SerializationException"},
		{"GetParameters", `{"Names": ["nobody"], "WithDecryption": true}`, ""},
		{"GetParameters", `{"Names": ["nobody"], "Recursive": true}`, "ValidationException"}, // that is another operation's
		{"GetParameter", `{"Name": "nobody", "MaxResults": 1}`, "ValidationException"},
	} {
		_, err := s.Serve(tt.op, []byte(tt.body))
		var refused *region.Error
		if errors.As(err, &refused); (err == nil) != (tt.want == "") || err != nil && refused.Code != tt.want {
			t.Errorf("%s %s: %v, want %q", tt.op, tt.body, err, tt.want)
		}
	}
}
