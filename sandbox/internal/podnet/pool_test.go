package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever pods come and go, and however often the node starts again, an
// address never belongs to two pods, and never to a new one within 30 s of
// the old one's end: a request meant for the old pod must not be answered by
// another application. Kills: handing out the lowest free address, forgetting
// the rest on a restart, resting from the take instead of the release.
func TestPoolRestsAddresses(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		prefix := netip.MustParsePrefix("172.16.127.32/29")
		file := filepath.Join(dir, fmt.Sprintf("%d.json", runs))
		now := time.Unix(1_000_000, 0)
		open := func() *Pool {
			p, err := OpenPool(prefix, file, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		pool := open()
		used := map[netip.Addr]bool{}
		freed := map[netip.Addr]time.Time{}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				addr, err := pool.Take("pod")
				if errors.Is(err, ErrNoAddress) {
					for a := prefix.Addr(); prefix.Contains(a); a = a.Next() {
						if rested := freed[a]; !used[a] && now.Sub(rested) > time.Minute {
							t.Fatalf("no address left, though %s has rested since %s", a, rested)
						}
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !prefix.Contains(addr) || used[addr] {
					t.Fatalf("%s handed out; in use: %v", addr, used)
				}
				if rested, ok := freed[addr]; ok && now.Sub(rested) < 30*time.Second {
					t.Fatalf("%s handed out %s after its release", addr, now.Sub(rested))
				}
				used[addr] = true
			},
			"release": func(t *rapid.T) {
				for addr := range used {
					if err := pool.Release(addr); err != nil {
						t.Fatal(err)
					}
					delete(used, addr)
					freed[addr] = now
					return
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
			},
			"restart": func(*rapid.T) {
				for addr := range used { // a node's end is the end of its pods
					freed[addr] = now
				}
				clear(used)
				pool = open()
			},
		})
	})
}
