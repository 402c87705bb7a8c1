package move

import (
	"context"
	"testing"

	"github.com/droverhq/drover/internal/handover"
)

// recorded is a cluster of which only the records of moves are of interest.
type recorded struct {
	handover.Cluster
	record string
}

func (r recorded) Records(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"asg/web": []byte(r.record)}, nil
}

// The guard of a run that goes on is given what the earlier run saw; a move that
// is over leaves nothing to go on with.
func TestBaselineIsOfTheMoveUnderWay(t *testing.T) {
	for record, want := range map[string]string{
		`{"group":"asg/web","phase":"shift","baseline":[1]}`:            "[1]",
		`{"group":"asg/web","phase":"done","kept":true,"baseline":[1]}`: "",
		`{"group":"asg/web","phase":"shift"}`:                           "",
		``:                                                              "",
	} {
		j := &job{session: &session{cluster: recorded{record: record}}, name: "asg/web"}
		if got := string(j.before(t.Context())); got != want {
			t.Errorf("%s: %q, want %q", record, got, want)
		}
	}
}
