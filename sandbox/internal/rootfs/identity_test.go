package rootfs

import "testing"

// What a pod adds and drops counts in containerd's order: ALL of what is added, ALL of what is dropped, then one by one.
func TestCapabilities(t *testing.T) {
	for _, tc := range []struct {
		add, drop []string
		want      Capabilities
	}{
		{want: 0xa80425fb},
		{drop: []string{"ALL"}, want: 0},
		{drop: []string{"all"}, add: []string{"NET_BIND_SERVICE"}, want: 1 << 10},
		{add: []string{"ALL"}, drop: []string{"CAP_CHOWN"}, want: AllCapabilities &^ 1},
		{add: []string{"ALL"}, drop: []string{"ALL"}, want: 0},
		{add: []string{"cap_sys_time", "KILL"}, drop: []string{"KILL"}, want: 0xaa0425db},
		{add: []string{"CHECKPOINT_RESTORE"}, want: 0xa80425fb | 1<<40},
	} {
		if got, err := DefaultCapabilities.Change(tc.add, tc.drop); err != nil || got != tc.want {
			t.Errorf("add %v, drop %v: %x, %v; want %x", tc.add, tc.drop, got, err, tc.want)
		}
	}
	if _, err := DefaultCapabilities.Change([]string{"FLY"}, nil); err == nil {
		t.Error("an unknown one is added")
	}
	if _, err := DefaultCapabilities.Change(nil, []string{"FLY"}); err == nil {
		t.Error("an unknown one is dropped")
	}
}
