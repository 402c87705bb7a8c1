package node

import (
	"testing"

	"k8s.io/kubernetes/pkg/volume"

	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// mounter keeps what it is asked for.
type mounter struct {
	volume.Mounter
	args volume.MounterArgs
}

func (m *mounter) SetUp(args volume.MounterArgs) error { m.args = args; return nil }

// Files are given to users and groups that there are, and to no others: the kubelet would try it for ever.
func TestFilesOfUsersThatThereAre(t *testing.T) {
	ids := func(most int64) idmap.IDs {
		return idmap.IDs{Users: idmap.Map{{Count: most}}, Groups: idmap.Map{{Count: most}}}
	}
	for _, tc := range []struct {
		ids         idmap.IDs
		user, group int64
		want        [2]bool
	}{
		{ids(65536), 1000, 2000, [2]bool{true, true}},
		{ids(65536), 70000, 2000, [2]bool{false, true}},
		{ids(65536), 1000, 70000, [2]bool{true, false}},
		{ids(1), 1000, 2000, [2]bool{}},
		{ids(1), 0, 0, [2]bool{true, true}},
	} {
		m := &mounter{}
		if err := (ownedMounter{m, tc.ids}).SetUp(volume.MounterArgs{FsUser: &tc.user, FsGroup: &tc.group}); err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{m.args.FsUser != nil, m.args.FsGroup != nil}; got != tc.want {
			t.Errorf("user %d and group %d of %s: %v, want %v", tc.user, tc.group, tc.ids.Users, got, tc.want)
		}
	}
}
