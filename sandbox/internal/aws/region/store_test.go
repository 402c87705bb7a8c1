package region

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A disk that keeps a change waiting keeps nobody waiting who only reads: names
// are looked up 200 times a second.
func TestWhoReadsDoesNotWaitForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "region.json")
	st, err := Open(path, "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path+".new", 0o600); err != nil { // whoever writes to it waits for a reader
		t.Fatal(err)
	}
	changed, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- st.Update(func(s *State) error {
			s.VPCs["vpc-1"] = &VPC{}
			close(changed)
			return nil
		})
	}()
	<-changed
	seen := 0
	st.View(func(s *State) { seen = len(s.VPCs) })
	if seen != 1 {
		t.Errorf("%d VPCs", seen)
	}
	if _, err := os.ReadFile(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a refused change came to is gone before anybody sees it.
func TestRefusedChangeIsNotSeen(t *testing.T) {
	st, err := Open(filepath.Join(t.TempDir(), "region.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := st.Update(func(s *State) error { s.Region = "changed"; return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	st.View(func(s *State) {
		if s.Region == "changed" {
			t.Error("half of a refused change is there")
		}
	})
}
